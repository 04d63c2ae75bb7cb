"""What an adopter and a fork must not get wrong."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal import segment, slots
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.recovery import recover_slots
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.journal.unique_clock import UniqueClock
from otel_job_measure.testing import ManualClock
from tests.journal.support import IDENTITY, begin, finish, journal_in, points_in
from tests.journal.test_journal import segment_of
from tests.journal.test_recovery import adopt_all, lost


def test_a_child_does_not_hold_the_lock_of_adopters(tmp_path: Path) -> None:
    """A worker that is forked while its parent adopts lives long; others adopt all the same."""
    state = StateDir(tmp_path)
    state.make()
    reader, writer = os.pipe()
    with state.adopting() as held:
        assert held
        pid = os.fork()
        if pid == 0:
            os.write(writer, b".")
            signal.pause()
            os._exit(0)
        assert os.read(reader, 1) == b"."
    try:
        with state.adopting() as held:
            assert held
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("after", ["open", "flock"])
def test_a_child_does_not_hold_a_lock_that_its_parent_was_just_taking(tmp_path: Path, after: str) -> None:
    """A fork may come between the system's answer and our note of it, in another thread: the child lives on."""
    children: list[int] = []
    reader, writer = os.pipe()

    def fork(_frame: FrameType, event: str, function: object) -> None:
        if event == "c_return" and getattr(function, "__name__", "") == after and not children:
            children.append(os.fork())
            if children == [0]:
                os.write(writer, b".")
                signal.pause()
            os.read(reader, 1)

    sys.setprofile(fork)
    try:
        taken = lock(tmp_path / "lock")
    finally:
        sys.setprofile(None)
    assert taken is not None
    taken.release()
    again = lock(tmp_path / "lock")
    [child] = children
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)
    assert again is not None
    again.release()


def test_a_child_that_a_handler_forks_in_an_append_comes_to_its_end(tmp_path: Path) -> None:
    """It comes out of its parent's append, wherever that was, and its own runs are in files."""
    journal = journal_in(tmp_path)
    begin(journal, "before")
    children: list[int] = []

    def fork(_frame: FrameType, event: str, function: object) -> None:
        if event == "c_return" and getattr(function, "__name__", "") == "fstat" and not children:
            children.append(os.fork())

    sys.setprofile(fork)
    try:
        uuid = begin(journal, "parent's")
    finally:
        sys.setprofile(None)
    if children == [0]:
        sys.setprofile(None)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(30)  # a child that hangs ends in a signal
        finish(journal, begin(journal, "child's"), "child's")
        os._exit(0)
    _, status = os.waitpid(children[0], 0)
    finish(journal, uuid, "parent's")
    assert os.waitstatus_to_exitcode(status) == 0
    ended = {dict(point.tags)["job"] for point in points_in(tmp_path) if point.fields.get("status") == "end"}
    assert ended == {"parent's", "child's"}


def test_an_interrupted_rotation_makes_no_ended_run_a_lost_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest segment has no point; the endings are in the one before."""
    pid = os.fork()
    if pid == 0:
        journal = journal_in(tmp_path)
        uuid = begin(journal)
        later = segment_of(journal).header._replace(ordinal=1)
        line = segment_of(journal).path.read_bytes().split(b"\n")[1] + b"\n"
        segment.create(segment_of(journal).path.parent, later, line)
        finish(journal, uuid)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert len(list(tmp_path.rglob("*.lp"))) == 2
    assert adopt_all(tmp_path) == 0
    assert not lost(tmp_path)


def test_a_slot_that_cannot_be_read_whole_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many files open the newest segment can't be seen, and without it nothing is said of open runs."""
    pid = os.fork()
    if pid == 0:
        begin(journal_in(tmp_path))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    opening = os.open

    def too_many(path: Path, flags: int, mode: int = 0o777) -> int:
        if path.suffix == ".lp":
            raise OSError(24, "Too many open files")
        return opening(path, flags, mode)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", too_many)
        assert recover_slots(StateDir(tmp_path), clock=SystemClock(), boot_id=IDENTITY.boot_id) == 0
    assert not lost(tmp_path)
    assert adopt_all(tmp_path) == 1
    assert len(points_in(tmp_path)) == 3


def test_the_slot_before_a_step_back_rests_until_its_times_are_past(tmp_path: Path) -> None:
    """An hour of times comes again, and no process gives them in that slot a second time."""
    clock = ManualClock(wall=SystemClock.wall_ns())
    journal = journal_in(tmp_path, clock=clock)
    finish(journal, begin(journal))
    number = journal.stamp() % 1000
    clock.wall -= 3_600_000_000_000
    journal.maintain()
    clock.advance(1800)
    assert slots.take_number(StateDir(tmp_path), number, clock) is None
    clock.advance(1805)
    assert slots.take_number(StateDir(tmp_path), number, clock) is not None


def test_an_end_that_only_follows_its_start_does_not_move_the_clock() -> None:
    """A run that began before the clock was set back ends after its start; the next times are the wall's."""
    hand = ManualClock()
    clock = UniqueClock(hand, slot=5)
    for _ in range(1023):
        clock.stamp()
    clock.stamp(after_ns=hand.wall + 3_600_000_000_000)
    assert clock.stamp() < hand.wall + 10_000_000
