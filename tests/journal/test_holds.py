"""Runs that another process of the machine may end: recovery leaves them to their holder, for 30 s."""

import os
import signal
from pathlib import Path

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.journal.living_runs import LivingRuns
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.testing import ManualClock
from tests.journal.support import begin, finish, journal_in, points_in, statuses
from tests.journal.test_journal import segment_of
from tests.journal.test_recovery import adopt_all, lost


def killed_in_a_run(folder: Path) -> str:
    """Lets a process begin a run and be killed; returns the run's id."""
    uuid = "killedinarun"
    pid = os.fork()
    if pid == 0:
        begin(journal_in(folder), uuid=uuid)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    return uuid


def holder_in(folder: Path, uuid: str) -> SegmentJournal:
    """Returns a journal of this process that holds a run."""
    journal = journal_in(folder)
    journal.hold(uuid)
    return journal


def test_recovery_leaves_a_held_run_to_its_holder(tmp_path: Path) -> None:
    """The child was killed; its parent holds the run and ends it: no run is lost, and nothing is ended twice."""
    uuid = killed_in_a_run(tmp_path)
    holder = holder_in(tmp_path, uuid)
    assert adopt_all(tmp_path) == 0
    assert not list((tmp_path / "ready").iterdir()), "the dead slot was not left alone"
    finish(holder, uuid)
    assert adopt_all(tmp_path) == 0
    assert sorted(statuses(points_in(tmp_path))[uuid]) == ["end", "start"]
    assert list((tmp_path / "ready").iterdir()), "the dead slot is not needed any more"


def test_a_run_is_held_for_thirty_seconds_at_most(tmp_path: Path) -> None:
    """A holder that never ends the run does not keep it open for ever."""
    uuid = killed_in_a_run(tmp_path)
    (segment,) = tmp_path.rglob("*.lp")
    clock = ManualClock(wall=segment.stat().st_mtime_ns)  # the last sign of life
    holder_in(tmp_path, uuid)
    clock.advance(28)
    assert adopt_all(tmp_path, clock) == 0
    clock.advance(3)
    assert adopt_all(tmp_path, clock) == 1
    assert [row.fields["uuid"] for row in lost(tmp_path)] == [uuid]


@pytest.mark.parametrize("how", ["killed", "released", "closed"])
def test_a_run_whose_holder_is_gone_is_lost_at_once(tmp_path: Path, how: str) -> None:
    """A hold counts only while its process lives and has not given it up."""
    uuid = killed_in_a_run(tmp_path)
    if how == "killed":
        pid = os.fork()
        if pid == 0:
            holder_in(tmp_path, uuid)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
    else:
        holder = holder_in(tmp_path, uuid)
        holder.release(uuid)
        if how == "closed":
            holder.close(delivered=False)
    assert adopt_all(tmp_path) == 1


def test_a_run_that_its_process_gave_up_is_not_lost_with_it(tmp_path: Path) -> None:
    """It was handed over for good: recovery of the dead slot ends nothing."""
    pid = os.fork()
    if pid == 0:
        journal = journal_in(tmp_path)
        journal.release(begin(journal))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert adopt_all(tmp_path) == 0
    assert list(statuses(points_in(tmp_path)).values()) == [["start"]]


@pytest.mark.usefixtures("small_segments")
def test_each_new_segment_repeats_what_is_held(tmp_path: Path) -> None:
    """The newest segment alone says it; what was given up or ended is not repeated."""
    journal = journal_in(tmp_path)
    for uuid in ("heldheldheld", "givengivengi", "endedendeden"):
        journal.hold(uuid)
    journal.release("givengivengi")
    finish(journal, "endedendeden")
    for _ in range(60):
        finish(journal, begin(journal))
    assert len(journal.own()) > 1
    newest = segment_of(journal).path.read_bytes()
    assert newest.count(b"# holds heldheldheld\n") == 1
    assert b"givengivengi" not in newest
    assert b"endedendeden" not in newest


def test_holding_ones_own_run_changes_nothing(tmp_path: Path) -> None:
    """It is open here already, and a new segment repeats its start."""
    journal = journal_in(tmp_path)
    uuid = begin(journal)
    journal.hold(uuid)
    journal.release("nobodysrunss")
    assert segment_of(journal).path.read_bytes().count(b"#") == 1


def test_a_holder_keeps_its_slot_when_it_is_closed(tmp_path: Path) -> None:
    """Its lock is what says that the holder lives."""
    uuid = killed_in_a_run(tmp_path)
    holder = holder_in(tmp_path, uuid)
    holder.close(delivered=True)
    assert adopt_all(tmp_path) == 0
    finish(holder, uuid)
    assert adopt_all(tmp_path) == 0


def test_the_holder_of_a_released_run_gives_its_signs_of_life(tmp_path: Path) -> None:
    """From its own journal and, with `SHIP=off`, from its segments; until it ends, even after a rotation."""
    starter, holder = journal_in(tmp_path), journal_in(tmp_path)
    begin(starter, uuid="moved")
    (start,) = starter.open_starts()
    starter.release("moved")
    assert starter.open_starts() == []
    state = StateDir(tmp_path)
    for _ in range(2):
        holder.hold("moved", start)
        assert holder.open_starts() == [start]
        assert [each.line for each in LivingRuns(state, SystemClock()).open_runs()] == [start.rstrip(b"\n")]
    assert adopt_all(tmp_path) == 0
    finish(holder, "moved")
    assert holder.open_starts() == []
    assert LivingRuns(state, SystemClock()).open_runs() == []
    assert sorted(statuses(points_in(tmp_path))["moved"]) == ["end", "start"]
