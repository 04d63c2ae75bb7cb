"""The shipper between the real journal, the real history and a server of each generation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.delivery.consumer import EAGER, LAZY, Consumer
from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.delivery.shipper import Shipper
from otel_job_measure.history.history import History
from otel_job_measure.history.sink import HistorySink
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.journal.maintenance import Bound, JournalSource
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.rows import series, start_line
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.runtime.assembly import StoreOpener, identity_of
from otel_job_measure.settings import Settings
from tests.delivery.support import ListRejects
from tests.support.generations import AnyInflux

LONG_S = 60.0
TAGS = DefaultTags(datacenter=None, project=None, stage=None, more=())


class Process:
    """What a process has of the way from a point to its sinks."""

    def __init__(self, influx: AnyInflux, bucket: str, folder: Path, *, timeout_s: float = 10.0) -> None:
        settings = Settings(**influx.arguments(bucket), state_dir=folder, timeout_s=timeout_s)
        clock = SystemClock()
        self.counters = Counters()
        opener = StoreOpener(settings, clock, self.counters)
        self.journal = SegmentJournal(opener, clock=clock, counters=self.counters, host="h")
        self.sink = InfluxSink(settings, self.counters, ListRejects())
        self.state = StateDir(settings.state_path)
        history = HistorySink(History(self.state.history, retention_s=86_400))
        bound = Bound(max_bytes=settings.max_bytes, counters=self.counters, is_delivered=self._has_delivered)
        source = JournalSource(self.journal, identity_of(settings), bound, clock=clock)
        self.shipper = Shipper(source, [Consumer(self.sink, EAGER), Consumer(history, LAZY)], self.counters)
        self.journal.wake = self.shipper.wake
        self._number = 0

    def _has_delivered(self, segment: str) -> bool:
        return self.shipper.has_delivered(segment)

    def start_runs(self, count: int) -> None:
        for _ in range(count):
            self._number += 1
            uuid = f"{self._number:012}"
            self.journal.begin(uuid, start_line(series("j", TAGS), uuid, self.journal.stamp()))
            self.journal.finish(uuid, b"")

    def arrives(self, *, unless_down: bool = False) -> bool:
        return self.shipper.wait_for(self.journal.tail(), LONG_S, unless_down=unless_down)

    def end(self) -> bool:
        settled = self.shipper.close(LONG_S)
        self.journal.close(delivered=settled)
        return settled


@pytest.fixture
def process(any_influx: AnyInflux, any_bucket: str, tmp_path: Path) -> Iterator[Process]:
    """A process that delivers to a bucket of its own."""
    process = Process(any_influx, any_bucket, tmp_path / "shared")
    yield process
    process.end()


def rows(influx: AnyInflux, bucket: str) -> int:
    """Returns how many points a bucket has."""
    return len(influx.lines(bucket))


def test_nothing_is_lost_while_the_server_is_stopped(any_influx: AnyInflux, any_bucket: str, process: Process) -> None:
    """Points that come before, while and after the server is stopped are all there, and health has seen it."""
    process.start_runs(10)
    assert process.arrives()
    with any_influx.stopped(hard=True):
        for _ in range(5):
            process.start_runs(20)
            assert not process.arrives(unless_down=True)
        assert process.shipper.known_down
        assert (process.sink.reachable, process.shipper.pending) == (False, 100)
    process.start_runs(10)
    assert process.arrives()
    assert rows(any_influx, any_bucket) == 120
    assert (process.sink.reachable, process.shipper.known_down, process.shipper.pending) == (True, False, 0)
    assert process.counters.now().delivered == 120


def test_nothing_is_lost_while_the_server_is_frozen(any_influx: AnyInflux, any_bucket: str, tmp_path: Path) -> None:
    """What the server accepted without an answer is sent again, and is there once."""
    process = Process(any_influx, any_bucket, tmp_path / "shared", timeout_s=0.5)  # a busy server can be slower
    with any_influx.frozen():
        process.start_runs(30)
        assert not process.arrives(unless_down=True)
    assert process.arrives()
    assert rows(any_influx, any_bucket) == 30
    process.end()


def test_a_process_leaves_nothing_behind(process: Process) -> None:
    """After a good end no segment is left for others, neither for the server nor for the history."""
    process.start_runs(3)
    assert process.end()
    assert process.state.ready_segments() == []
    assert process.state.living_segments() == []


def test_what_a_process_leaves_the_next_one_sends(
    any_influx: AnyInflux, any_bucket: str, process: Process, tmp_path: Path
) -> None:
    """Points that were not sent at the end of a process are sent by the next one, in the same folder."""
    with any_influx.stopped():
        process.start_runs(50)
        assert not process.end()
    assert len(process.state.ready_segments()) == 1
    after = Process(any_influx, any_bucket, tmp_path / "shared")
    after.start_runs(1)
    assert after.end()
    assert rows(any_influx, any_bucket) == 51
    assert process.state.ready_segments() == []


def test_a_start_is_there_while_the_run_goes_on(any_influx: AnyInflux, any_bucket: str, process: Process) -> None:
    """A job that waits until a query has seen its own start sees it."""
    process.start_runs(1)
    assert process.arrives(unless_down=True)
    assert rows(any_influx, any_bucket) == 1
