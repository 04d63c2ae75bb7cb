"""Slots: one a living journal, taken by its lock alone."""

import os
from pathlib import Path

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal import slots
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.testing import ManualClock


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    """A state directory that exists."""
    made = StateDir(tmp_path / "state")
    made.make()
    return made


def test_a_slot_is_held_by_one_and_rests_when_it_is_given_back(state: StateDir) -> None:
    """No process takes it again for two seconds: then its old times are in the past for all."""
    clock = ManualClock(wall=SystemClock.wall_ns())
    slot = slots.take_number(state, 7, clock)
    assert slot is not None
    assert slot.is_held()
    clock.advance(10)
    assert slots.take_number(state, 7, clock) is None
    slot.release()
    released_ns = (slot.folder / "lock").stat().st_mtime_ns
    clock.wall = released_ns + 1_000_000_000
    assert slots.take_number(state, 7, clock) is None
    clock.wall = released_ns + 3_000_000_000
    again = slots.take_number(state, 7, clock)
    assert again is not None
    again.release()


def test_a_slot_that_was_released_ahead_of_the_clock_is_passed_over(state: StateDir) -> None:
    """After the clock was set back, the times that were given in the slot come again."""
    slot = slots.take_number(state, 7, SystemClock())
    assert slot is not None
    slot.release()
    clock = ManualClock(wall=SystemClock.wall_ns() - 3_600_000_000_000)
    assert slots.take_number(state, 7, clock) is None


@pytest.mark.parametrize("hours", [1, 24 * 3650])
def test_slots_that_were_all_released_ahead_of_the_clock_are_free(state: StateDir, hours: int) -> None:
    """They would else block the state directory until the clock has come there, perhaps for years."""
    ahead_ns = SystemClock.wall_ns() + hours * 3_600_000_000_000
    for number in range(slots.COUNT):
        (state.slots / f"{number:03}").mkdir()
        lock_file = state.slots / f"{number:03}" / "lock"
        lock_file.touch()
        os.utime(lock_file, ns=(ahead_ns, ahead_ns))
    taken = slots.take(state, SystemClock())
    taken.release()


def test_a_slot_that_was_released_years_ahead_is_free(state: StateDir) -> None:
    """Its times do not come again soon."""
    slot = slots.take_number(state, 7, SystemClock())
    assert slot is not None
    slot.release(last_ns=SystemClock.wall_ns() + 10 * 365 * 86_400 * 10**9)
    again = slots.take_number(state, 7, SystemClock())
    assert again is not None
    again.release()


def test_a_slot_in_which_something_was_left_waits_for_its_adopter(state: StateDir) -> None:
    """No process takes a slot with a dead process's segments, and a missing lock file stays missing."""
    folder = state.slots / "007"
    folder.mkdir()
    (folder / "local-1.lp").write_bytes(b"# \n")
    assert slots.take_number(state, 7, SystemClock()) is None
    assert not (folder / "lock").exists()


def test_all_thousand_taken_is_an_error_that_says_so(state: StateDir) -> None:
    """The caller then keeps points in memory."""
    for number in range(slots.COUNT):
        (state.slots / f"{number:03}").mkdir()
        (state.slots / f"{number:03}" / "local-1.lp").touch()
    with pytest.raises(OSError, match="all 1000 slots"):
        slots.take(state, SystemClock())


def test_a_lock_file_that_was_exchanged_is_no_lock(state: StateDir) -> None:
    """A lock that is held on a deleted file says nothing about the file that has its name now."""
    slot = slots.take_number(state, 3, SystemClock())
    assert slot is not None
    path = slot.folder / "lock"
    path.unlink()
    assert not slot.is_held()
    path.touch()
    assert not slot.is_held()
    taken = lock(path)
    assert taken is not None
    taken.release()
    slot.abandon()


@pytest.mark.parametrize("kind", ["a file", "below a file"])
def test_a_state_directory_that_cannot_be_is_an_os_error(tmp_path: Path, kind: str) -> None:
    """A file in its place is found out at once."""
    (tmp_path / "file").touch()
    root = tmp_path / "file" if kind == "a file" else tmp_path / "file" / "state"
    with pytest.raises(OSError, match="file"):
        StateDir(root).make()
