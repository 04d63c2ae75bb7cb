"""Answers that no InfluxDB is known to give: by proxies, by other databases, by servers that lie, change or recover."""

import gzip
import json
from collections.abc import Callable, Sequence

import pytest

from otel_job_measure.delivery.consumer import Consumer, Listed, Served
from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Ack
from otel_job_measure.testing import ManualClock
from tests.delivery.exchange import Exchange
from tests.delivery.support import FakeSegment, ListRejects, Reply, TinyServer, chunks_of, line, segment, settings_for

BAD = b'scheduling-job,job=j uuid="bad",status="start" 1800000000000000000'
OTHER = BAD.replace(b'"bad"', b'"worse"')
PAGE = b"<html><head><title>Blocked</title></head><body>Request blocked, support id 17</body></html>"

Refuse = Callable[[Sequence[bytes]], Reply | None]


def said(content: object, status: int = 400, **headers: str) -> Reply:
    """Returns an answer in JSON."""
    return Reply(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(content).encode()
    )


UNKNOWN = said({"message": "computer says no"})


class Wire:
    """A sink to a server that keeps all lines of a request or none."""

    def __init__(self, tiny: TinyServer, refuse: Refuse) -> None:
        self.stored: set[bytes] = set()
        self.requests = 0
        self.refuse = refuse
        self.rejects = ListRejects()
        self.counters = Counters()
        self.sink = InfluxSink(settings_for(tiny.url), self.counters, self.rejects)
        tiny.play = self._play

    def _play(self, exchange: Exchange) -> None:
        self.requests += 1
        lines = exchange.request.lines
        reply = self.refuse(lines)
        if reply is None:
            self.stored |= set(lines)
        exchange.answer(reply or Reply())

    def take(self, *lines: bytes) -> Ack:
        """Writes lines until they are settled or have to wait."""
        chunks = chunks_of(segment("a", *lines))
        while (ack := self.sink.write(chunks).ack) is Ack.MORE:
            pass
        self.sink.close()
        return ack

    @property
    def refused(self) -> list[bytes]:
        """Returns the dead letters."""
        return sorted(text for text, _ in self.rejects.kept)


def if_bad(reply: Reply) -> Refuse:
    """Returns a server that dislikes two lines."""
    return lambda lines: reply if {BAD, OTHER} & set(lines) else None


def good(count: int) -> list[bytes]:
    """Returns good lines."""
    return [line(number) for number in range(count)]


ANSWERS = {
    "unknown words": UNKNOWN,
    "no body": Reply(400),
    "a page": Reply(400, {"Content-Type": "text/html"}, PAGE),
    "403 with a page": Reply(403, {"Content-Type": "text/html"}, PAGE),
    "a compressed page": Reply(400, {"Content-Encoding": "gzip"}, gzip.compress(PAGE)),
    "no message": said({"code": "invalid", "message": None}),
    "no error either": said({"message": None, "error": None}),
    "a number": said({"message": 17}),
    "a list": said(["no"]),
    "a text": said("no"),
    "null": said(None),
    "no JSON": Reply(400, {}, b'{"message": "cut'),
    "no UTF-8": Reply(400, {}, b"\xff\xfe{"),
    "422": said({"message": "unprocessable"}, 422),
    "409": said({"error": "conflict"}, 409),
    "418": said({"error": "a teapot"}, 418),
    "lines of others": said({"message": "partial write has occurred, errors encountered on line(s): 7,8"}),
    "no such lines": said({"message": "errors encountered on line(s):\nerror parsing line 9999 (1-based): x"}),
    "line 0": said({"error": "partial write of line protocol occurred", "data": [{"line_number": 0}]}),
    "a line that is no number": said(
        {"error": "partial write of line protocol occurred", "data": [{"line_number": "2"}]}
    ),
    "a huge line": said({"error": "partial write of line protocol occurred", "data": {"line_number": 10**30}}),
    "no list of lines": said({"error": "partial write of line protocol occurred", "data": 5}),
    "another field": said({"message": "column status is type i64 but write has type string"}),
    "no such field": said({"message": "column nope is type i64 but write has type f64"}),
    "a tag": said({"message": "column job is type f64 but write has type tag"}),
    "a quotation of a good line": said(
        {"error": f"partial write: unable to parse '{line(5).decode()} ': no dropped=0"}
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_two_lines_are_refused_whatever_the_words(tiny: TinyServer, name: str) -> None:
    """Both are dead letters, every good line is there, and the search is short."""
    wire = Wire(tiny, if_bad(ANSWERS[name]))
    lines = good(300)
    assert wire.take(*lines[:100], BAD, *lines[100:200], OTHER, *lines[200:]) is Ack.DONE
    assert wire.refused == sorted([BAD, OTHER])
    assert wire.stored == set(lines)
    assert wire.counters.now().delivered == 300
    assert wire.requests <= 40


def test_a_body_in_chunks(tiny: TinyServer) -> None:
    """Core answers in chunks; the words are read as those of any answer."""
    body = json.dumps({"error": "parsing failed for write_lp endpoint", "data": {"line_number": 2}}).encode()
    head = b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    raw = head + b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body) + b"0\r\n\r\n"
    wire = Wire(tiny, if_bad(UNKNOWN))

    def play(exchange: Exchange) -> None:
        wire.requests += 1
        if BAD in exchange.request.lines:
            exchange.say(raw)
            exchange.handler.close_connection = True
        else:
            wire.stored |= set(exchange.request.lines)
            exchange.answer(Reply())

    tiny.play = play
    assert wire.take(line(1), BAD, line(2)) is Ack.DONE
    assert wire.refused == [BAD]
    assert wire.requests == 3


def test_a_proxy_that_dislikes_the_size_with_a_page(tiny: TinyServer) -> None:
    """413 with HTML halves the body; a line alone that is too large is a dead letter."""
    giant = BAD.replace(b"bad", b"x" * 5000)
    wire = Wire(tiny, lambda lines: Reply(413, {}, PAGE) if sum(map(len, lines)) > 3000 else None)
    assert wire.take(*good(100), giant) is Ack.DONE
    assert (wire.refused, wire.stored) == ([giant], set(good(100)))


@pytest.mark.parametrize("name", ["unknown words", "a page", "403 with a page", "no message", "409"])
def test_a_server_that_refuses_everything_loses_nothing(tiny: TinyServer, name: str) -> None:
    """The lines wait, after few requests; once the server accepts lines, they arrive, and only the bad one does not."""
    wire = Wire(tiny, lambda _lines: ANSWERS[name])
    lines = [*good(1000), BAD]
    for _ in range(3):
        before = wire.requests
        assert wire.take(*lines) is Ack.REFUSED
        assert wire.requests - before <= 40
    assert wire.refused == []
    wire.refuse = if_bad(ANSWERS[name])
    assert wire.take(*lines) is Ack.DONE
    assert (wire.refused, wire.stored) == ([BAD], set(good(1000)))


def test_a_batch_of_one_line_that_is_refused_waits_for_another(tiny: TinyServer) -> None:
    """Alone it could be the request that is at fault: it becomes a dead letter once a later point is accepted."""
    clock = ManualClock()
    wire = Wire(tiny, if_bad(UNKNOWN))
    consumer = Consumer(wire.sink, clock=clock)
    own = segment("own", BAD)
    assert served(consumer, own) is Served.FAILED
    assert wire.refused == []
    own.data += line(1) + b"\n"
    assert served(consumer, own) is Served.DONE
    assert (wire.refused, wire.stored) == ([BAD], {line(1)})
    wire.sink.close()


def served(consumer: Consumer, own: FakeSegment) -> Served:
    """Serves until the batch is settled or has to wait."""
    while (done := consumer.serve([Listed(own, own.size())])) is Served.MORE:
        pass
    return done


def test_a_server_that_accepts_now_and_then_loses_nothing(tiny: TinyServer) -> None:
    """Every second request is refused, whatever is in it: no line becomes a dead letter, and all arrive."""
    turns = iter(range(10**9))
    wire = Wire(tiny, lambda _lines: UNKNOWN if next(turns) % 2 == 0 else None)
    acks = [wire.take(*good(50)) for _ in range(20)]
    assert Ack.DONE in acks
    assert (wire.refused, wire.stored) == ([], set(good(50)))


def test_a_server_that_changes_generation_under_a_process(tiny: TinyServer) -> None:
    """An upgrade from 1.x to 2 to 3: each answer is read in its own words, and the sink knows which server it is."""
    changes = [
        (
            said(
                {"error": "partial write: unable to parse 'x': missing fields dropped=0 for database: d"},
                X_Influxdb_Version="1.13.2",
            ),
            "InfluxDB 1.13.2",
        ),
        (
            said(
                {"message": f"unable to parse '{BAD.decode()}': missing fields"},
                X_Influxdb_Version="v2.7.12",
                X_Influxdb_Build="OSS",
            ),
            "InfluxDB 2.7.12",
        ),
        (
            said(
                {"message": "write buffer error: line protocol parse failed: no fields"},
                X_Influxdb_Version="3.10.0",
                X_Influxdb_Build="Core",
            ),
            "InfluxDB 3.10.0 Core",
        ),
    ]
    wire = Wire(tiny, if_bad(UNKNOWN))
    assert wire.sink.server is None
    for number, (reply, name) in enumerate(changes):
        wire.refuse = if_bad(reply)
        lines = [line(10 * number + each) for each in range(8)]
        assert wire.take(*lines[:3], BAD, *lines[3:]) is Ack.DONE
        assert wire.refused == [BAD] * (number + 1)
        assert set(lines) <= wire.stored
        seen = wire.sink.write(chunks_of(segment("b", BAD)))  # its answer is the last one
        assert seen.ack is Ack.DONE or number == 0
        assert wire.sink.server == name
        wire.rejects.kept = wire.rejects.kept[: number + 1]
