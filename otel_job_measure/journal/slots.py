"""Slots: one per living journal. Its flock says that the process lives; its number ends the process's timestamps."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from otel_job_measure.clock import Clock
from otel_job_measure.journal.file_lock import Lock, lock
from otel_job_measure.journal.private_files import make_folder, names_in, open_private, refuse_strangers, touch
from otel_job_measure.journal.segment import SUFFIX
from otel_job_measure.journal.state_dir import StateDir

COUNT = 1000
_QUIET_NS = 2_000_000_000
"""How long a slot rests: the next process to take it is by then past every timestamp that was given in it."""
_PLANTED = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENXIO}
"""What opening gives for a link, a file in the place of a folder, a folder in that of a file, a pipe: other slots may
be fine."""
_SOON_NS = 86_400_000_000_000
"""How far ahead a release may be for its timestamps to come again soon. A clock that was further ahead was wrong."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that this process holds."""

    number: int
    """0 to 999."""
    folder: Path
    """Where its lock and its segments lie."""
    lock: Lock

    def is_held(self) -> bool:
        """Returns whether the descriptor is still ours and the lock file still in its place."""
        return self.lock.is_held()

    def release(self, last_ns: int | None = None) -> None:
        """Gives the slot back; it rests for two seconds."""
        if self.lock.is_ours():
            touch(self.lock.fd, last_ns)
        self.lock.release()

    def abandon(self) -> None:
        """Gives the slot back without a rest: it was not used, or it is the parent's of a forked child."""
        self.lock.release()


def any_slot() -> int:
    """Returns a slot's number by chance."""
    return int.from_bytes(os.urandom(8)) % COUNT


def take(state: StateDir, clock: Clock) -> Slot:
    """Takes a free slot; the search begins at random, so that hosts differ by chance."""
    begin = any_slot()
    refused: OSError | None = None
    for may_be_ahead in (False, True):
        for number in (*range(begin, COUNT), *range(begin)):
            try:
                slot = take_number(state, number, clock, may_be_ahead=may_be_ahead)
            except OSError as error:
                if error.errno not in _PLANTED and not isinstance(error, PermissionError):
                    raise
                refused = error
                continue
            if slot is not None:
                return slot
    raise OSError(f"all {COUNT} slots of {state.root} are taken or cannot be used") from refused


def take_number(state: StateDir, number: int, clock: Clock, *, may_be_ahead: bool = False) -> Slot | None:
    """Takes one slot, unless another process has it, left segments in it, or used it a moment ago.

    After the clock was set back, the slot may have been released ahead of it: it is taken only if it `may_be_ahead`,
    because the timestamps that were given in it come again.
    """
    folder = state.slots / f"{number:03}"
    try:
        # Looked at first: beside segments, a missing lock file says something to a recovery pass.
        if _has_segments(folder):
            return None
    except FileNotFoundError:
        make_folder(folder)
        refuse_strangers(folder)
    is_new = _create_lock_file(folder / "lock")
    slot = hold(folder)
    if slot is None or is_new:
        return slot
    if _is_resting(slot.lock.fd, clock, may_be_ahead=may_be_ahead) or _has_segments(folder):
        slot.abandon()
        return None
    return slot


def hold(folder: Path, *, create: bool = False) -> Slot | None:
    """Takes a slot's lock, whatever lies in the slot; None if another process has it or the file is missing."""
    taken = lock(folder / "lock", create=create)
    return None if taken is None else Slot(int(folder.name), folder, taken)


def is_living(folder: Path) -> bool:
    """Returns whether a process holds a slot's lock."""
    try:
        slot = hold(folder)
    except OSError:  # what lies there is no lock of ours
        return False
    if slot is None:
        return os.path.lexists(folder / "lock")
    slot.abandon()
    return False


def _create_lock_file(path: Path) -> bool:
    """Returns whether the file was missing: the process that creates it is the first ever in this slot."""
    try:
        os.close(open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _is_resting(fd: int, clock: Clock, *, may_be_ahead: bool) -> bool:
    ago_ns = clock.wall_ns() - os.fstat(fd).st_mtime_ns
    return (0 if may_be_ahead else -_SOON_NS) <= ago_ns < _QUIET_NS


def _has_segments(folder: Path) -> bool:
    return any(name.endswith(SUFFIX) for name in names_in(folder))
