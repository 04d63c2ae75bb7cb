"""No text of a server brings a secret into a result, a log or a dead letter."""

import json
import logging
from typing import Any

import pytest

from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.journal.counters import Counters
from tests.delivery.ship import sink_for
from tests.delivery.support import ListRejects, Reply, TinyServer, chunks_of, line, segment, settings_for

TOKEN = "a-secret/to<ken>"


@pytest.mark.parametrize("token", ["t", "No", "und"])
def test_a_short_token_leaves_messages_readable(tiny: TinyServer, token: str) -> None:
    """A token of one to three characters is no reason to mask parts of words."""
    tiny.replies = [Reply(404, {}, b"page not found")]
    answer = sink_for(settings_for(tiny.url, influxdb_token=token)).write(chunks_of(segment("a", line(1))))
    assert answer.message.startswith("InfluxDB answered 404 Not Found: page not found; set INFLUXDB_URL ")


@pytest.mark.parametrize("status", [400, 401, 404, 500])
@pytest.mark.parametrize(
    "echo",
    [f"Token {TOKEN}", json.dumps({"message": TOKEN}), "Token a-secret%2Fto%3Cken%3E", "a-secret/to&lt;ken&gt;"],
)
def test_an_echoed_token_is_masked_before_the_text_is_cut(
    tiny: TinyServer, caplog: pytest.LogCaptureFixture, status: int, echo: str
) -> None:
    """In whatever form it comes, and however much of the text fits into a log line."""
    caplog.set_level(logging.DEBUG, "otel_job_measure")
    for before in (0, 285, 295):
        tiny.replies = [Reply(status, {}, b"x" * before + b" " + echo.encode())]
        answer = sink_for(settings_for(tiny.url, influxdb_token=TOKEN)).write(chunks_of(segment("a", line(1))))
        assert "a-secret" not in answer.message + caplog.text


def test_a_dead_letter_has_no_secret(tiny: TinyServer, caplog: pytest.LogCaptureFixture) -> None:
    """The reason that a server gives for a line is masked too, and the line itself stays as it is."""
    rejects = ListRejects()
    sink = InfluxSink(settings_for(tiny.url, influxdb_token=TOKEN), Counters(), rejects)
    body = json.dumps({"message": f"unable to parse 'bad': no field, said {TOKEN}"})
    tiny.replies = [Reply(400, {}, body.encode())]
    sink.write(chunks_of(segment("a", line(1), b"bad")))
    assert rejects.kept == [(b"bad", "no field, said ***")]
    assert TOKEN not in caplog.text
    sink.close()


@pytest.mark.parametrize("echo", ["user-name:pass-word", "dXNlci1uYW1lOnBhc3Mtd29yZA==", "wrong pass-word"])
@pytest.mark.parametrize("is_standard", [False, True])
def test_credentials_of_a_proxy_are_masked(
    tiny: TinyServer, monkeypatch: pytest.MonkeyPatch, echo: str, *, is_standard: bool
) -> None:
    """A proxy, of the setting or of HTTP_PROXY, that repeats what it was sent puts no password into a message."""
    proxy = tiny.url.replace("//", "//user-name:pass-word@")
    monkeypatch.setenv("HTTP_PROXY", proxy if is_standard else "")
    more: dict[str, Any] = {} if is_standard else {"proxy": proxy}
    tiny.replies = [Reply(407, {}, f"refused {echo}".encode())]
    answer = sink_for(settings_for("http://influx.example:8086", **more)).write(chunks_of(segment("a", line(1))))
    assert "pass-word" not in answer.message
    assert "dXNlci1uYW1lOnBhc3Mtd29yZA" not in answer.message
    assert "***" in answer.message


def test_a_redirect_has_no_secret(tiny: TinyServer) -> None:
    """The address of a redirect is shown without the token."""
    tiny.replies = [Reply(302, {"Location": "https://u:p@other/a-secret-token/x?token=a-secret-token"})]
    answer = sink_for(settings_for(tiny.url)).write(chunks_of(segment("a", line(1))))
    assert "'https://other/***/x'" in answer.message
    assert "a-secret" not in answer.message
