"""A journal in memory, where there is no place to write."""

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.journal.memory_store import MemoryStore
from tests.journal.support import IDENTITY, begin, finish, source_of


@pytest.fixture
def counters() -> Counters:
    """The counts of one test."""
    return Counters()


@pytest.fixture
def journal(counters: Counters) -> SegmentJournal:
    """A journal in memory."""
    clock = SystemClock()
    return SegmentJournal(
        lambda _open_runs, before: MemoryStore(IDENTITY, clock, counters, before),
        clock=clock,
        counters=counters,
        host="h",
    )


def test_it_is_read_as_a_journal_of_files_is(journal: SegmentJournal) -> None:
    """Whole lines, from any offset, up to the end."""
    finish(journal, begin(journal))
    (segment,) = journal.own()
    data = segment.read(0, 10)
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert (data + segment.read(len(data), 1 << 20)).count(b"\n") == 3
    assert segment.read(segment.size(), 10) == b""
    assert journal.tail().offset == segment.size()


def test_delivered_segments_go_and_the_oldest_beyond_the_bound_are_counted(
    journal: SegmentJournal, counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound holds however long no shipper reads."""
    monkeypatch.setattr("otel_job_measure.journal.memory_store._SEGMENT_BYTES", 1000)
    monkeypatch.setattr("otel_job_measure.journal.memory_store._MAX_BYTES", 5000)
    for _ in range(100):
        finish(journal, begin(journal))
    assert sum(segment.size() for segment in journal.own()) <= 6000
    counts = counters.now()
    kept = sum(segment.read(0, 1 << 20).count(b"\n") for segment in journal.own())
    assert counts.dropped["memory"] + kept == counts.appended == 300
    assert counts.given_up == counts.dropped["memory"]
    for segment in journal.own():
        journal.drop(segment)
    assert len(journal.own()) == 1


def test_what_nobody_took_is_counted_at_the_end(journal: SegmentJournal, counters: Counters) -> None:
    """It ends with the process, and says so in the counts."""
    finish(journal, begin(journal))
    journal.maintain()
    source = source_of(journal)
    source.recover()
    with source.left() as left:
        assert left == ()
    journal.close(delivered=False)
    assert counters.now().dropped == {"memory": 3}
