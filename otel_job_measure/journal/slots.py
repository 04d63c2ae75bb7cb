"""Slots: one a living journal. Its flock says that the process lives; its number ends the process's times."""

import os
from pathlib import Path
from typing import NamedTuple

from otel_job_measure.clock import Clock
from otel_job_measure.journal.file_lock import Lock, lock
from otel_job_measure.journal.private_files import give_to_owner
from otel_job_measure.journal.segment import SUFFIX
from otel_job_measure.journal.state_dir import StateDir, make_folder

COUNT = 1000
_QUIET_NS = 2_000_000_000
"""How long a slot rests: the next one to take it is by then past every time that was given in it."""


class Slot(NamedTuple):
    """A slot that this process holds.

    Args:
        number: 0 to 999.
        folder: Where its lock and its segments lie.
        lock: What holds it.
    """

    number: int
    folder: Path
    lock: Lock

    def is_held(self) -> bool:
        """Returns whether the descriptor is still ours and the lock file still in its place."""
        return self.lock.is_held()

    def release(self, last_ns: int | None = None) -> None:
        """Gives the slot back; it rests for two seconds, after the last time that it gave.

        Args:
            last_ns: That time, in ns since 1970, where the clock was set back behind it; None for the present.
        """
        if self.lock.is_ours():
            os.utime(self.lock.fd, None if last_ns is None else (last_ns / 1e9, last_ns / 1e9))
        self.lock.release()

    def abandon(self) -> None:
        """Lets go of it without that sign: it was not used, or it is the parent's of a forked child."""
        self.lock.release()


def any_slot() -> int:
    """Returns a slot's number by chance."""
    return int.from_bytes(os.urandom(8)) % COUNT


def take(state: StateDir, clock: Clock) -> Slot:
    """Takes a free slot; the search begins at random, so that hosts differ by chance.

    Raises:
        OSError: The state directory cannot be used, or all thousand are taken.
    """
    begin = any_slot()
    for number in (*range(begin, COUNT), *range(begin)):
        slot = take_number(state, number, clock)
        if slot is not None:
            return slot
    msg = f"all {COUNT} slots of {state.root} are taken"
    raise OSError(msg)


def take_number(state: StateDir, number: int, clock: Clock) -> Slot | None:
    """Takes one slot, unless somebody has it, left something in it, or was in it a moment ago."""
    folder = state.slots / f"{number:03}"
    path = folder / "lock"
    try:
        # Looked at first: where somebody left segments, even a missing lock file says something to an adopter.
        if _has_segments(folder):
            return None
    except FileNotFoundError:
        make_folder(folder)
    is_new = _make_lock_file(path)
    slot = hold(folder, number)
    if slot is None or is_new:
        return slot
    if _is_resting(slot.lock.fd, clock) or _has_segments(folder):
        slot.abandon()
        return None
    return slot


def _make_lock_file(path: Path) -> bool:
    """Returns whether the file was missing: whoever makes it is the first ever in this slot."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    os.fchmod(fd, 0o600)
    give_to_owner(fd, path.parent)
    os.close(fd)
    return True


def hold(folder: Path, number: int, *, create: bool = False) -> Slot | None:
    """Takes a slot's lock whatever lies in the slot; None where somebody has it or the file is missing."""
    taken = lock(folder / "lock", create=create)
    return None if taken is None else Slot(number=number, folder=folder, lock=taken)


def is_living(folder: Path) -> bool:
    """Returns whether a process holds a slot's lock."""
    taken = lock(folder / "lock", create=False)
    if taken is None:
        return (folder / "lock").exists()
    taken.release()
    return False


def _is_resting(fd: int, clock: Clock) -> bool:
    # A time in the future is a clock that was set back: that slot's times may still come.
    return clock.wall_ns() - os.fstat(fd).st_mtime_ns < _QUIET_NS


def _has_segments(folder: Path) -> bool:
    return any(entry.suffix == SUFFIX for entry in folder.iterdir())
