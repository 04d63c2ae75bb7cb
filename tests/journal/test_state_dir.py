"""Looks at what others left: one is enough for all processes, and any number of segments is no burden."""

import os
from pathlib import Path

from otel_job_measure.journal.segment import create
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.testing import ManualClock
from tests.journal.support import begin, journal_in, source_of
from tests.journal.test_maintenance import HEADER


def lost_in(folder: Path) -> int:
    """Returns how many runs were ended as lost."""
    return sum(path.read_bytes().count(b'status="failed"') for path in folder.glob("ready/*.lp"))


def test_one_look_is_enough_for_all_for_a_while(tmp_path: Path) -> None:
    """A new process always looks; one that has looked leaves it to others, until theirs are 20 s old."""
    clock = ManualClock()
    first, second = journal_in(tmp_path, clock=clock), journal_in(tmp_path, clock=clock)
    begin(first)
    begin(second)
    source, other = source_of(first), source_of(second)
    source.recover()
    other.recover()
    dead = journal_in(tmp_path, clock=clock)
    begin(dead)
    dead.forked()  # closes what it holds, as the end of its process would
    clock.advance(15)
    source.recover()
    assert lost_in(tmp_path) == 0
    clock.advance(6)
    source.recover()
    assert lost_in(tmp_path) == 1


def test_a_new_process_looks_whoever_has_just_looked(tmp_path: Path) -> None:
    """What was lost before it began is closed when it begins."""
    clock = ManualClock()
    first, dead = journal_in(tmp_path, clock=clock), journal_in(tmp_path, clock=clock)
    begin(first)
    begin(dead)
    source_of(first).recover()
    dead.forked()
    new = journal_in(tmp_path, clock=clock)
    begin(new)
    source_of(new).recover()
    assert lost_in(tmp_path) == 1


def test_a_look_in_the_future_says_nothing(tmp_path: Path) -> None:
    """The clock was set back: maintenance is due."""
    clock = ManualClock()
    state = StateDir(tmp_path)
    state.make()
    with state.adopting():
        assert state.needs_maintenance(clock)
        state.note_maintenance(clock)
        assert not state.needs_maintenance(clock)
        clock.advance(-3600)
        assert state.needs_maintenance(clock)


def test_what_waits_comes_a_thousand_at_a_time(tmp_path: Path) -> None:
    """Each segment once, each thousand oldest first, and only those of the destinations that were asked for."""
    state = StateDir(tmp_path)
    state.make()
    for _ in range(2100):
        os.close(create(state.ready, HEADER)[0])
    (state.ready / "other-1.lp").write_bytes(b"")
    windows = list(state.ready_windows({HEADER.destination}))
    assert [len(window) for window in windows] == [1000, 1000, 100]
    assert len({segment.name for window in windows for segment in window}) == 2100
    assert state.ready_destinations() == {HEADER.destination, "other"}
