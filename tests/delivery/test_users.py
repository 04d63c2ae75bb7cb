"""How a writer of InfluxDB 1.x is named in a request, and an upgrade of its server."""

import base64
import json
import logging
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Ack
from otel_job_measure.settings import Settings
from tests.delivery.ship import sink_for
from tests.delivery.support import ListRejects, Reply, TinyServer, chunks_of, line, segment, settings_for
from tests.support.generations import Opened
from tests.support.influx1 import InfluxServer1, fresh_server_1
from tests.support.influxd import VERSION, VERSIONS_1, process_1

PASSWORD = 'pä: s"w/örd>'
OF_1X = {"influxdb_token": None, "influxdb_org": None}
USER = {**OF_1X, "influxdb_username": "jobs", "influxdb_password": PASSWORD}


def basic(password: str = PASSWORD) -> str:
    """Returns the header of a user."""
    return f"Basic {base64.b64encode(f'jobs:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("given", "header"),
    [
        (USER, basic()),
        ({**OF_1X, "influxdb_token": "jobs:word"}, "Token jobs:word"),
        (OF_1X, None),
    ],
)
def test_each_writer_has_its_header(tiny: TinyServer, given: dict[str, object], header: str | None) -> None:
    """A password goes in a form that takes any character; a server without users is asked without any."""
    sink = sink_for(settings_for(tiny.url, **given))
    assert sink.write(chunks_of(segment("a", line(1)))).ack is Ack.DONE
    sink.close()
    [request] = tiny.requests
    assert request.headers.get("Authorization") == header
    assert parse_qs(urlsplit(request.path).query) == {"org": ["-"], "bucket": ["b"], "precision": ["ns"]}


def test_a_password_file_is_read_for_each_request(tiny: TinyServer, tmp_path: Path) -> None:
    """While it is missing nothing is sent, and a changed password takes effect with the next request."""
    file = tmp_path / "password"
    more = {**USER, "influxdb_password": None, "influxdb_password_file": file}
    sink = sink_for(settings_for(tiny.url, **more))
    chunks = chunks_of(segment("a", line(1)))
    answer = sink.write(chunks)
    assert answer.ack is Ack.HOLD
    assert "INFLUXDB_PASSWORD_FILE" in answer.message
    assert tiny.requests == []
    tiny.replies = [Reply(401)]
    for word, ack in (("first", Ack.HOLD), ("the second", Ack.DONE)):
        file.write_text(f"{word}\n")
        assert sink.write(chunks).ack is ack
    assert [request.headers["Authorization"] for request in tiny.requests] == [basic("first"), basic("the second")]
    sink.close()


@pytest.mark.parametrize("status", [400, 401, 404, 500])
@pytest.mark.parametrize("given", [USER, {**OF_1X, "influxdb_token": "jobs:a-pass/word>"}])
def test_a_password_that_the_server_repeats_is_masked(
    tiny: TinyServer, caplog: pytest.LogCaptureFixture, given: dict[str, str], status: int
) -> None:
    """In whatever form it comes, alone or with the user, in a message, a log or a dead letter."""
    caplog.set_level(logging.DEBUG)
    password = given.get("influxdb_password") or given["influxdb_token"].partition(":")[2]
    rejects = ListRejects()
    sink = InfluxSink(settings_for(tiny.url, **given), Counters(), rejects)
    for echo in (password, f"jobs:{password}", json.dumps(password), basic(password)):
        tiny.replies = [Reply(status, {}, f"who is {echo}?".encode())]
        answer = sink.write(chunks_of(segment("a", line(1))))
        shown = f"{answer.message} {caplog.text} {rejects.kept}"
        for form in (password, json.dumps(password)[1:-1], basic(password).partition(" ")[2]):
            assert form not in shown
    sink.close()


def taken(sink: InfluxSink, number: int) -> tuple[Ack, str]:
    """Sends one point."""
    answer = sink.write(chunks_of(segment(f"s{number}", line(number))))
    return answer.ack, answer.message


def test_a_1x_is_upgraded_under_a_running_process(generations: Opened, tmp_path: Path) -> None:
    """From 1.8 to 1.13 nothing has to be set; 2.7 asks for a token, and until it has one the points wait."""
    oldest, newest = (cast("InfluxServer1", generations.get(version)).process for version in VERSIONS_1)
    assert oldest is not None
    assert newest is not None
    with fresh_server_1(oldest.binary, tmp_path, VERSIONS_1[0]) as server:
        assert server.process is not None
        sink = InfluxSink(Settings(**server.arguments()), Counters(), ListRejects())
        assert taken(sink, 1)[0] is Ack.DONE
        server.stop()
        assert taken(sink, 2)[0] is Ack.RETRY
        upgraded = process_1(newest.binary, tmp_path, port=server.process.port)
        try:
            upgraded.start()
            assert taken(sink, 2)[0] is Ack.DONE
            assert len(server.lines()) == 2
        finally:
            upgraded.stop()
    sink.close()
    two = generations.get(VERSION)
    arguments: dict[str, Any] = {**server.arguments(), "influxdb_url": two.url}
    sink = InfluxSink(Settings(**arguments), Counters(), ListRejects())
    ack, message = taken(sink, 3)
    assert ack is Ack.HOLD
    assert "INFLUXDB_TOKEN" in message
    sink.close()
