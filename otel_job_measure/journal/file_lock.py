"""Locks between processes. A child of fork never holds a lock of its parent.

A flock belongs to every process that has its descriptor. A child that kept one would lock out all processes from what
its parent left, for as long as the child lives. So this module knows every descriptor that holds a lock, from the
moment in which it is opened, and a child closes them all. No process calls LOCK_UN: it would free the parent's lock.
"""

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from otel_job_measure import forks
from otel_job_measure.journal.private_files import open_private

if sys.platform == "win32":  # pragma: no cover - points are kept in memory then
    IS_AVAILABLE = False
else:
    import fcntl

    IS_AVAILABLE = True

_DESCRIPTORS = Path("/dev/fd")
_held: "set[Lock]" = set()
_taking: list[Path] = []
"""Lock files that a thread is opening at this moment: their descriptors are not known yet."""


class Lock:
    """A lock that is held until it is released, or until the process is gone."""

    __slots__ = ("_file", "fd", "path")

    def __init__(self, fd: int, path: Path) -> None:
        self.fd = fd
        self.path = path
        status = os.fstat(fd)
        self._file = (status.st_dev, status.st_ino)

    def is_ours(self) -> bool:
        """Returns whether the descriptor is still ours: apps close and reuse descriptors."""
        return is_descriptor_of(self.fd, self._file)

    def is_held(self) -> bool:
        """Returns whether the descriptor is still ours, and the file still has its name."""
        return self.is_ours() and self.is_in_place()

    def is_in_place(self) -> bool:
        """Returns whether the file still has its name: it may have been deleted or replaced.

        A process that gave up its rights may not look any more. It goes on holding what it holds: it could not take the
        lock again, and without the lock a recovery pass would end its runs as lost.
        """
        try:
            found = self.path.lstat()
        except PermissionError:
            return True
        except OSError:  # it is gone, or a folder above it is
            return False
        return (found.st_dev, found.st_ino) == self._file

    def release(self) -> None:
        """Gives the lock back; nothing happens if the app or a fork has closed the descriptor."""
        if self in _held and self.is_ours():
            os.close(self.fd)
        _held.discard(self)


def lock(path: Path, *, create: bool = True) -> Lock | None:
    """Takes the flock of a file at once; returns None if another has it, or the file is missing or was replaced."""
    forks.check()
    forks.register(forks.Order.LOCKS, _close_inherited)
    _taking.append(path)
    try:
        return _taken(path, os.O_RDWR | (os.O_CREAT if create else 0))
    except FileNotFoundError:
        if create:
            raise
        return None
    finally:
        with contextlib.suppress(ValueError):  # a signal handler has forked meanwhile, and this is its child
            _taking.remove(path)


def is_descriptor_of(fd: int, file: tuple[int, int]) -> bool:
    """Returns whether a descriptor is still that file, by device and inode: apps close and reuse descriptors."""
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == file


def _taken(path: Path, flags: int) -> Lock | None:
    found = Lock(open_private(path, flags), path)
    _held.add(found)
    is_taken = False
    try:
        _flock(found.fd)
        is_taken = found.is_in_place()
    except BlockingIOError:
        return None
    finally:
        if not is_taken:
            found.release()
    return found if is_taken else None


def _flock(fd: int) -> None:
    if sys.platform == "win32":  # pragma: no cover - points are kept in memory then
        raise OSError("this system has no flock")
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _close_inherited() -> None:
    while _held:
        found = _held.pop()
        if found.is_ours():
            os.close(found.fd)
    if _taking:
        _close_all_of(_taking)
        _taking.clear()


def _close_all_of(paths: Iterable[Path]) -> None:
    """Closes all descriptors of some files: another thread was about to note one."""
    files: set[tuple[int, int]] = set()
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.lstat()
            files.add((status.st_dev, status.st_ino))
    with contextlib.suppress(OSError):
        for entry in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - numbers
            if any(is_descriptor_of(int(entry), file) for file in files):
                os.close(int(entry))
