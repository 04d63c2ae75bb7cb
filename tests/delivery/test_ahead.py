"""In a process that only sends, the next batch is got ready while a server takes one."""

import gzip
import threading
from collections.abc import Generator, Sequence

import pytest

from otel_job_measure.delivery.ahead import Ahead
from otel_job_measure.delivery.beside import Beside
from otel_job_measure.delivery.consumer import Consumer, Listed
from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Chunk, Segment, WriteResult
from tests.delivery.support import (
    RETRY,
    FakeSegment,
    HandClock,
    ListRejects,
    ListSink,
    Reply,
    TinyServer,
    line,
    segment,
    settings_for,
)

_MANY = 30_000


class PreparingSink(ListSink):
    """A sink that doesn't answer before the next chunks are prepared."""

    def __init__(self) -> None:
        super().__init__()
        self.prepared: list[tuple[Chunk, ...]] = []
        self.trouble: Exception | None = None
        self.has_prepared = threading.Event()
        self.waits_s = 30.0

    def prepare(self, chunks: Sequence[Chunk]) -> None:
        self.prepared.append(tuple(chunks))
        self.has_prepared.set()
        if self.trouble:
            raise self.trouble

    def take(self, chunks: Sequence[Chunk]) -> WriteResult:
        self.has_prepared.wait(self.waits_s)
        self.has_prepared.clear()
        return super().take(chunks)


@pytest.fixture
def beside() -> Generator[Beside]:
    """A thread beside the one that sends."""
    with Beside("aside") as beside:
        yield beside


def large(name: str = "large") -> FakeSegment:
    """Returns a segment of three batches."""
    return segment(name, *(line(number) for number in range(_MANY)))


def served(consumer: Consumer, *segments: Segment) -> int:
    """Serves a consumer until nothing is left; returns how many batches that took."""
    listing = [Listed(segment, segment.size()) for segment in segments]
    batches = 0
    while consumer.serve(listing) is not None:
        batches += 1
    return batches


def test_what_follows_is_prepared_while_a_sink_takes_what_is_before(beside: Beside) -> None:
    """It is the very batch that the sink is given then; after the last there is none."""
    sink = PreparingSink()
    consumer = Consumer(sink, clock=HandClock(), ahead=Ahead(sink, beside))
    listing = [Listed(large(), large().size())]
    consumer.serve(listing)
    consumer.serve(listing)
    sink.waits_s = 0
    consumer.serve(listing)
    assert sink.prepared == sink.batches[1:]
    assert sink.lines == [line(number) for number in range(_MANY)]


def test_small_segments_are_left_to_who_lists_them(beside: Beside) -> None:
    """Nobody reads a thousand of them twice."""
    sink = PreparingSink()
    sink.waits_s = 0
    consumer = Consumer(sink, clock=HandClock(), ahead=Ahead(sink, beside))
    assert served(consumer, *(segment(f"s{number}", line(number)) for number in range(50))) == 1
    assert sink.prepared == []


def test_what_cannot_be_prepared_is_sent_all_the_same(beside: Beside) -> None:
    """A bug there costs time, and nothing else."""
    sink = PreparingSink()
    sink.trouble = OSError("gone")
    sink.waits_s = 0.1
    consumer = Consumer(sink, clock=HandClock(), ahead=Ahead(sink, beside))
    assert served(consumer, large()) == 3
    assert sink.lines == [line(number) for number in range(_MANY)]


def test_after_a_failure_the_same_chunks_come_again_and_not_those_that_were_prepared(beside: Beside) -> None:
    """What is prepared waits for its turn."""
    sink = PreparingSink()
    sink.waits_s = 0.1
    sink.answers = [RETRY]
    consumer = Consumer(sink, clock=HandClock(), ahead=Ahead(sink, beside))
    one = large()
    listing = [Listed(one, one.size())]
    assert consumer.serve(listing) is None
    assert served(consumer, one) == 3
    assert sink.batches[0] == sink.batches[1]
    assert sink.lines == [line(number) for number in range(_MANY)]


def test_influxdb_gets_the_same_bodies_prepared_or_not(beside: Beside) -> None:
    """Compressed ahead or when they are sent, also where the server refuses some or finds them too large."""
    found: list[list[bytes]] = []
    for ahead in (False, True):
        tiny = TinyServer()
        tiny.replies = [Reply(), Reply(status=413), Reply(), Reply(status=503), Reply()]
        counters, clock = Counters(), HandClock()
        sink = InfluxSink(settings_for(tiny.url), counters, ListRejects(), clock=clock)
        consumer = Consumer(sink, clock=clock, ahead=Ahead(sink, beside) if ahead else None)
        one = large()
        for _ in range(9):
            consumer.serve([Listed(one, one.size())])
            consumer.try_now()
        sink.close()
        tiny.close()
        assert counters.now().delivered == _MANY
        found.append([request.body for request in tiny.requests])
    assert found[0] == found[1]


def test_a_body_is_compressed_once(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was prepared is sent, and not made again."""
    made: list[int] = []
    compress = gzip.compress

    def counted(body: bytes, *how: int, mtime: int) -> bytes:
        made.append(threading.get_ident())
        return compress(body, *how, mtime=mtime)

    monkeypatch.setattr(gzip, "compress", counted)
    tiny = TinyServer()
    sink = InfluxSink(settings_for(tiny.url), Counters(), ListRejects(), clock=HandClock())
    assert served(Consumer(sink, clock=HandClock(), ahead=Ahead(sink, beside)), large()) == 3
    sink.close()
    tiny.close()
    assert len(made) == 3
    assert made.count(threading.get_ident()) == 1  # the first
