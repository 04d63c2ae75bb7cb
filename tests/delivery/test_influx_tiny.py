"""What a real InfluxDB does not answer by itself: proxies, login pages, silence."""

import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.errors import SettingsError
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Ack
from otel_job_measure.settings import Settings
from tests.delivery.ship import sink_for
from tests.delivery.support import (
    ListRejects,
    ManualClock,
    Reply,
    TinyServer,
    chunks_of,
    line,
    segment,
    settings_for,
)

TOKEN = "a-secret-token"


def test_a_write_says_where_to_and_comes_gzipped(tiny: TinyServer) -> None:
    """A request names org, bucket and precision, has the token in a header, and points without comments in its body."""
    sink = sink_for(settings_for(tiny.url, influxdb_org="o 1", influxdb_bucket="b&2"))
    assert sink.write(chunks_of(segment("a", line(1)), segment("b", line(2)))).ack is Ack.DONE
    [request] = tiny.requests
    parts = urlsplit(request.path)
    assert parts.path == "/api/v2/write"
    assert parse_qs(parts.query) == {"org": ["o 1"], "bucket": ["b&2"], "precision": ["ns"]}
    assert request.headers["Authorization"] == f"Token {TOKEN}"
    assert request.headers["Content-Encoding"] == "gzip"
    assert request.headers["User-Agent"] == "otel-job-measure"
    assert request.lines == [line(1), line(2)]
    sink.close()


def test_comments_alone_need_no_request(tiny: TinyServer) -> None:
    """A sign of life in a segment is no reason to ask the server anything."""
    assert sink_for(settings_for(tiny.url)).write(chunks_of(segment("a"))).ack is Ack.DONE
    assert tiny.requests == []


@pytest.mark.parametrize(
    ("reply", "taken", "wait_s", "reachable"),
    [
        (Reply(200, {"Content-Type": "text/html"}, b"<h1>Please log in</h1>"), Ack.RETRY, None, False),
        (Reply(201), Ack.RETRY, None, False),
        (Reply(202), Ack.RETRY, None, False),
        (Reply(302, {"Location": "/login"}), Ack.HOLD, None, False),
        (Reply(405), Ack.HOLD, None, True),
        (Reply(429, {"Retry-After": "17"}), Ack.RETRY, 17.0, True),
        (Reply(500, {}, b"\xff\xfe not JSON, not UTF-8"), Ack.RETRY, None, False),
        (Reply(503, {"Retry-After": "3"}, b"over capacity"), Ack.RETRY, 3.0, False),
    ],
)
def test_an_answer_that_keeps_nothing_loses_nothing(
    tiny: TinyServer, reply: Reply, taken: Ack, wait_s: float | None, *, reachable: bool
) -> None:
    """What was not taken is kept, and is delivered once as soon as the server takes it."""
    counters = Counters()
    sink = InfluxSink(settings_for(tiny.url), counters, ListRejects())
    tiny.replies = [reply]
    chunks = chunks_of(segment("a", line(1)))
    answer = sink.write(chunks)
    assert (answer.ack, answer.wait_s) == (taken, wait_s)
    assert str(reply.status) in answer.message
    assert sink.reachable is reachable
    assert sink.last_success_ns is None
    assert sink.write(chunks).ack is Ack.DONE
    assert (counters.now().delivered, sink.reachable) == (1, True)
    assert len(tiny.requests) == 2
    sink.close()


def test_no_redirect_is_followed(tiny: TinyServer) -> None:
    """A login page elsewhere never gets the points or the token."""
    other = TinyServer()
    tiny.replies = [Reply(307, {"Location": f"{other.url}/api/v2/write"})]
    answer = sink_for(settings_for(tiny.url)).write(chunks_of(segment("a", line(1))))
    assert answer.ack is Ack.HOLD
    assert "INFLUXDB_URL" in answer.message
    assert other.requests == []
    other.close()


def test_too_large_is_halved_and_remembered(tiny: TinyServer) -> None:
    """After a 413 batches are sent in smaller parts, also the next one."""
    sink = sink_for(settings_for(tiny.url))
    tiny.replies = [Reply(413)]
    lines = [line(number) for number in range(1000)]
    assert sink.write(chunks_of(segment("a", *lines))).ack is Ack.DONE
    assert [request.lines for request in tiny.requests] == [lines, lines[:500], lines[500:]]
    assert sink.write(chunks_of(segment("b", *lines))).ack is Ack.DONE
    assert [len(request.lines) for request in tiny.requests[3:]] == [500, 500]
    sink.close()


def test_what_is_settled_stays_settled_between_tries(tiny: TinyServer, caplog: pytest.LogCaptureFixture) -> None:
    """A batch that is interrupted after a rejection doesn't reject or count the line again, and says so once."""
    counters, rejects = Counters(), ListRejects()
    sink = InfluxSink(settings_for(tiny.url), counters, rejects)
    bad = b"bad"
    tiny.replies = [Reply(400, {}, b'{"message":"unable to parse \'bad\': missing fields"}'), Reply(503), Reply(503)]
    chunks = chunks_of(segment("a", line(1), bad, line(2)))
    assert [sink.write(chunks).ack for _ in range(3)] == [Ack.RETRY, Ack.RETRY, Ack.DONE]
    assert rejects.kept == [(bad, "missing fields")]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "missing fields; `otel-job-measure rejected` shows" in caplog.text
    assert (counters.now().rejected, counters.now().delivered) == (1, 2)
    assert tiny.requests[-1].lines == [line(1), line(2)]
    sink.close()


def test_a_rejects_folder_that_fails_stops_nothing(tiny: TinyServer, caplog: pytest.LogCaptureFixture) -> None:
    """Where a refused line can't be kept, that is logged, and the others go on."""

    class Full(ListRejects):
        def put(self, line: bytes, words: str) -> None:
            raise OSError(28, "No space left on device")

    counters = Counters()
    sink = InfluxSink(settings_for(tiny.url), counters, Full())
    tiny.replies = [Reply(422, {}, b'{"message":"partial write: field type conflict"}')] * 3
    assert sink.write(chunks_of(segment("a", line(1), line(2)))).ack is Ack.DONE
    assert counters.now().rejected == 2
    assert caplog.records[-1].message == "a point that InfluxDB refused could not be kept"
    assert len(caplog.records) == 2
    sink.close()


def test_a_new_token_in_the_file_is_used(tiny: TinyServer, tmp_path: Path) -> None:
    """A token that is rotated takes effect with the next request."""
    file = tmp_path / "token"
    file.write_text("first\n")
    sink = sink_for(settings_for(tiny.url, influxdb_token=None, influxdb_token_file=file))
    tiny.replies = [Reply(401)]
    chunks = chunks_of(segment("a", line(1)))
    assert sink.write(chunks).ack is Ack.HOLD
    file.write_text("the-second\n")
    assert sink.write(chunks).ack is Ack.DONE
    assert [request.headers["Authorization"] for request in tiny.requests] == ["Token first", "Token the-second"]
    sink.close()


def test_a_token_file_that_is_gone_is_waited_for(tiny: TinyServer, tmp_path: Path) -> None:
    """While the file is missing nothing is sent, and the words name the variable."""
    sink = sink_for(settings_for(tiny.url, influxdb_token=None, influxdb_token_file=tmp_path / "token"))
    answer = sink.write(chunks_of(segment("a", line(1))))
    assert answer.ack is Ack.HOLD
    assert "INFLUXDB_TOKEN_FILE" in answer.message
    assert tiny.requests == []


def test_a_secret_that_the_server_repeats_is_not_repeated(tiny: TinyServer, caplog: pytest.LogCaptureFixture) -> None:
    """A server that echoes the request in its error puts no token into a log."""
    caplog.set_level(logging.DEBUG)
    tiny.always = Reply(500, {}, f"you sent: Token {TOKEN}".encode())
    answer = sink_for(settings_for(tiny.url)).write(chunks_of(segment("a", line(1))))
    assert "you sent: Token ***" in answer.message
    assert TOKEN not in caplog.text


def test_a_client_with_a_password_signs_in_again_when_its_session_ends(tiny: TinyServer) -> None:
    """A client that signs in with user and password does so for us too, once a session."""
    client: Any = InfluxDBClient(tiny.url, username="u", password="p", org="o")
    sink = sink_for(settings_for(tiny.url), client=client)
    tiny.replies = [Reply(204, {"set-cookie": "first"}), Reply(), Reply(), Reply(401)]
    tiny.always = Reply(204, {"set-cookie": "second"})
    found = [sink.write(chunks_of(segment(f"s{number}", line(number)))).ack for number in range(4)]
    sink.close()
    del client
    assert found == [Ack.DONE, Ack.DONE, Ack.HOLD, Ack.DONE]
    cookies = [request.headers.get("Cookie") for request in tiny.requests]
    assert cookies == [None, "first", "first", "first", None, "second"]
    assert [request.path for request in tiny.requests if request.path.endswith("sign")] == []


def test_an_endless_answer_is_read_no_further_than_needed(tiny: TinyServer) -> None:
    """A page of many megabytes is judged by its beginning, and the next request works."""
    sink = sink_for(settings_for(tiny.url))
    tiny.replies = [Reply(503, {}, b"x" * 6_000_000)]
    chunks = chunks_of(segment("a", line(1)))
    assert [sink.write(chunks).ack for _ in range(2)] == [Ack.RETRY, Ack.DONE]
    sink.close()


def test_a_bug_below_is_told_without_the_words_of_the_library(
    tiny: TinyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A header that can't be sent is an error whose message shows it whole; neither the answer nor the log do."""
    client: Any = InfluxDBClient(tiny.url, "bad\ntoken", org="o")
    sink = sink_for(settings_for(tiny.url), client=client)
    answer = sink.write(chunks_of(segment("a", line(1))))
    client.close()
    assert (answer.ack, answer.message) == (Ack.RETRY, "sending failed with ValueError")
    [record] = [record for record in caplog.records if record.name == "otel_job_measure"]
    assert "ValueError at" in record.message
    assert "token" not in record.message.replace("token=token", "")


def test_a_client_of_the_users_own_brings_its_rights_and_stays_open(tiny: TinyServer) -> None:
    """Server, token and headers are the client's; it still works when we have closed."""
    client: Any = InfluxDBClient(tiny.url, "their-token", org="theirs", enable_gzip=True)
    sink = sink_for(settings_for("http://unused.example"), client=client)
    assert sink.write(chunks_of(segment("a", line(1)))).ack is Ack.DONE
    sink.close()
    client.write_api(write_options=SYNCHRONOUS).write("b2", "o2", "theirs v=1")
    client.close()
    ours, theirs = tiny.requests
    assert ours.headers["Authorization"] == theirs.headers["Authorization"] == "Token their-token"
    assert parse_qs(urlsplit(ours.path).query) == {"org": ["o"], "bucket": ["b"], "precision": ["ns"]}
    assert ours.lines == [line(1)]


def test_the_apps_logging_stays_as_it_is(tiny: TinyServer) -> None:
    """Delivery sets no level and adds no handler to any logger, whatever the server answers."""
    root, theirs = logging.getLogger(), logging.getLogger("urllib3")
    handlers, level = root.handlers[:], theirs.level
    root.handlers.clear()
    theirs.setLevel(logging.NOTSET)
    try:
        tiny.always = Reply(500, {}, b"not JSON")
        sink_for(settings_for(tiny.url)).write(chunks_of(segment("a", line(1))))
        assert root.handlers == []
        assert theirs.level == logging.NOTSET
    finally:
        root.handlers[:] = handlers
        theirs.setLevel(level)


def test_a_write_with_a_deadline_is_one_request(tiny: TinyServer) -> None:
    """With a deadline a batch in parts stops after each request, so that its caller can stop after a slow one."""
    clock = ManualClock()
    sink = sink_for(settings_for(tiny.url), clock=clock)
    tiny.replies = [Reply(413)]
    chunks = chunks_of(segment("a", *(line(number) for number in range(1000))))
    answer = sink.write(chunks, deadline_ns=clock.monotonic_ns() + 60_000_000_000)
    assert (answer.ack, answer.wait_s, len(tiny.requests)) == (Ack.MORE, None, 1)
    sink.close()


def test_a_child_of_fork_has_connections_of_its_own(tiny: TinyServer) -> None:
    """After a fork parent and child both deliver, each over its own connection."""
    sink = sink_for(settings_for(tiny.url))
    assert sink.write(chunks_of(segment("a", line(1)))).ack is Ack.DONE
    child = os.fork()
    if child == 0:
        done = sink.write(chunks_of(segment("b", line(2)))).ack is Ack.DONE
        sink.close()
        os._exit(0 if done else 1)
    assert sink.write(chunks_of(segment("c", line(3)))).ack is Ack.DONE
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert sink.write(chunks_of(segment("d", line(4)))).ack is Ack.DONE
    sink.close()
    ports = {request.lines[0]: request.port for request in tiny.requests}
    assert ports.keys() == {line(number) for number in range(1, 5)}
    assert ports[line(1)] == ports[line(3)] == ports[line(4)] != ports[line(2)]


def test_few_unfinished_batches_are_kept(tiny: TinyServer) -> None:
    """What is settled is remembered for the batches that come again, not for ever."""
    sink = sink_for(settings_for(tiny.url))
    tiny.always = Reply(503)
    for number in range(20):
        sink.write(chunks_of(segment(f"s{number}", line(number))))
    assert len(sink._unfinished) == 4


def test_a_sink_needs_a_destination() -> None:
    """Without a server there is nothing to make."""
    with pytest.raises(SettingsError, match="INFLUXDB_URL"):
        sink_for(Settings())
