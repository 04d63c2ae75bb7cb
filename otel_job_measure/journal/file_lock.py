"""Locks between processes, each of them one process's own: a child that is forked has none of its parent's.

A flock belongs to every process that has the descriptor. A child that went on holding one would keep everybody from
what its parent left, for as long as it lives. So every descriptor that holds one is known here, from the moment in
which it is opened; a child closes them all. Nobody ever calls LOCK_UN: it would free the parent's.
"""

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from otel_job_measure.journal import flocks
from otel_job_measure.journal.private_files import give_to_owner

_MODE = 0o600
_DESCRIPTORS = Path("/dev/fd")
_held: "set[Lock]" = set()
_taking: list[Path] = []
"""Lock files that are being opened at this moment, maybe in another thread: nobody knows the descriptor yet."""
_hooked: list[bool] = []


class Lock:
    """A lock that is held until it is released, or until the process is gone.

    Args:
        fd: Its descriptor.
        path: Its file, which is never deleted by us.
    """

    __slots__ = ("_file", "fd", "is_private", "path")

    is_private: bool
    """Whether its owner, and nobody else, could read and write it when it was opened."""

    def __init__(self, fd: int, path: Path) -> None:
        self.fd = fd
        self.path = path
        status = os.fstat(fd)
        self._file = (status.st_dev, status.st_ino)
        self.is_private = stat.S_IMODE(status.st_mode) == _MODE

    def is_ours(self) -> bool:
        """Returns whether the descriptor is still ours: apps close and reuse descriptors."""
        return is_descriptor_of(self.fd, self._file)

    def is_held(self) -> bool:
        """Returns whether the descriptor is still ours, and the file still the one under its name."""
        return self.is_ours() and self.is_in_place()

    def is_in_place(self) -> bool:
        """Returns whether the file is still the one under its name: it may have been deleted or exchanged.

        A process that has given up its rights may not look any more. What it holds then it goes on holding: it could
        not take it again, and without it an adopter would end its runs as lost.
        """
        try:
            found = self.path.stat()
        except PermissionError:
            return True
        except OSError:  # gone, or behind something that is no folder any more
            return False
        return (found.st_dev, found.st_ino) == self._file

    def release(self) -> None:
        """Gives the lock back; nothing happens where the app has closed our descriptor, or a fork has."""
        if self in _held and self.is_ours():
            os.close(self.fd)
        _held.discard(self)


def lock(path: Path, *, create: bool = True) -> Lock | None:
    """Takes the flock of a file, at once or not at all.

    Args:
        path: The lock file, which is never deleted.
        create: Whether to make it where it is missing.

    Returns:
        The lock; None where someone else holds it, or where the file is missing or was exchanged meanwhile.

    Raises:
        OSError: The file cannot be opened, or the file system has no flock.
    """
    if not _hooked:
        _hooked.append(True)
        os.register_at_fork(after_in_child=_close_inherited)
    _taking.append(path)
    try:
        return _taken(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0))
    except FileNotFoundError:
        if create:
            raise
        return None
    finally:
        with contextlib.suppress(ValueError):  # a handler has forked meanwhile, and this is its child
            _taking.remove(path)


def _taken(path: Path, flags: int) -> Lock | None:
    found = Lock(os.open(path, flags, _MODE), path)
    _held.add(found)
    is_taken = False
    try:
        if flags & os.O_CREAT:
            if not found.is_private:  # the umask can take away even the owner's rights
                with contextlib.suppress(PermissionError):  # it is another user's, who lets us
                    os.fchmod(found.fd, _MODE)
            give_to_owner(found.fd, path.parent)
        flocks.flock_at_once(found.fd)
        is_taken = found.is_in_place()
    except BlockingIOError:
        return None
    finally:
        if not is_taken:
            found.release()
    return found if is_taken else None


def is_descriptor_of(fd: int, file: tuple[int, int]) -> bool:
    """Returns whether a descriptor is still the file that we opened: apps close and reuse descriptors.

    Args:
        fd: The descriptor.
        file: Device and inode of the file.
    """
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == file


def _close_inherited() -> None:
    while _held:
        found = _held.pop()
        if found.is_ours():
            os.close(found.fd)
    if _taking:
        _close_all_of(_taking)
        _taking.clear()


def _close_all_of(paths: Iterable[Path]) -> None:
    """Closes whatever descriptors there are of some files: another thread was about to note them."""
    files: set[tuple[int, int]] = set()
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            files.add((status.st_dev, status.st_ino))
    with contextlib.suppress(OSError):
        for entry in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - numbers
            if any(is_descriptor_of(int(entry), file) for file in files):
                os.close(int(entry))
