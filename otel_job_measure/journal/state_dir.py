"""The state directory: where everything lies, and the lock of the process that maintains it."""

import contextlib
import logging
import os
from collections.abc import Collection, Generator, Iterable, Iterator
from pathlib import Path

from otel_job_measure.clock import Clock
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.journal.file_lock import IS_AVAILABLE, lock
from otel_job_measure.journal.interfaces import Segment
from otel_job_measure.journal.private_files import make_folder, names_in, open_private, refuse_strangers, touch
from otel_job_measure.journal.rights import refuse_as_root
from otel_job_measure.journal.segment import SUFFIX, SegmentFile, destination_of
from otel_job_measure.rate_limited_log import LOG, once

_once = once()
_WINDOW = 1000
_MOST_NAME = 70  # bytes, of which each takes up to three characters of a file name
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_MOST_MARKS = 100
_MOST_DIGITS = 20
Time = tuple[int, int]
"""A time from its first to its last moment, in ns since 1970."""
_MAINTAINED_NS = 20_000_000_000
"""How long the maintenance by one process is enough for all; each of them comes every 30 s."""


class StateDir:
    """The folder of a user's journals, shared by all of its processes and destinations."""

    def __init__(self, root: Path) -> None:
        """Names the places; nothing is made yet."""
        self.root = root
        self.slots = root / "slots"
        self.ready = root / "ready"
        self.rejected = root / "rejected"
        self.expected = root / "expected"
        self.history = root / "history.db"
        self.positions = root / "shipped.json"
        self.unknown = root / "unknown"
        self._adopt_lock = root / "adopt.lock"

    def expected_file(self, source: str, origin: str) -> Path:
        """Returns the file of what one source says should happen."""
        data = origin.encode(errors="surrogatepass")
        if len(data) > _MOST_NAME:
            import hashlib  # noqa: PLC0415 - rarely needed, and `exec` comes here

            data = hashlib.sha256(data).hexdigest().encode()
        name = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in data)
        return self.expected / f"{source}-{name}.json"

    def make(self) -> None:
        """Makes the folders that are missing."""
        if not IS_AVAILABLE:  # pragma: no cover - every system with tests has one
            raise OSError("this system has no flock")
        refuse_as_root(self.root)
        for folder in (self.root, self.slots, self.ready, self.rejected):
            is_root = folder is self.root
            make_folder(folder, is_root=is_root)
            refuse_strangers(folder, may_be_link=is_root)
        self._check_rights(self.slots)

    def check_usable(self) -> None:
        """Makes sure that the state directory can be used or made, and makes nothing."""
        refuse_as_root(self.root)
        if self.root.exists():
            for folder in (self.root, self.slots, self.ready, self.rejected):
                if folder is self.root or folder.exists():
                    refuse_strangers(folder, may_be_link=folder is self.root)
            self._check_rights(self.slots if self.slots.exists() else self.root)
        else:
            self._check_rights(next(folder for folder in self.root.parents if folder.exists()))

    @contextlib.contextmanager
    def adopting(self) -> Generator[bool]:
        """Holds `adopt.lock`; gives False if another process has it, or this one has no right to it any more."""
        try:
            taken = lock(self._adopt_lock)
        except PermissionError:
            taken = None
        except OSError as error:  # a full disk, or no regular file
            _once.log(logging.ERROR, "adopt.lock", "%s cannot be locked: %s", self._adopt_lock, error)
            taken = None
        if taken is None:
            yield False
            return
        try:
            yield True
        finally:
            taken.release()

    def needs_maintenance(self, clock: Clock) -> bool:
        """Returns whether no process has maintained the state directory for 20 s."""
        with contextlib.suppress(OSError):
            return not 0 <= clock.wall_ns() - self._adopt_lock.lstat().st_mtime_ns < _MAINTAINED_NS
        return True

    def note_maintenance(self, clock: Clock) -> None:
        """Tells all processes that the state directory was maintained now; the caller holds `adopt.lock`."""
        with contextlib.suppress(OSError):
            fd = open_private(self._adopt_lock, os.O_RDWR)
            try:
                touch(fd, clock.wall_ns())
            finally:
                os.close(fd)

    def unknown_times(self) -> tuple[Time, ...]:
        """Returns the times of which the history may lack rows, the earliest first."""
        return tuple(sorted(time for time, _ in self._marks()))

    def merge_unknown(self) -> None:
        """Makes one mark of those that lie closest together if there are many; the caller holds `adopt.lock`."""
        marks = sorted(self._marks())
        if len(marks) <= _MOST_MARKS:
            return
        by_distance = sorted(range(1, len(marks)), key=lambda at: marks[at][0][0] - marks[at - 1][0][1])
        joined = set(by_distance[: len(marks) - _MOST_MARKS])
        for at in range(len(marks)):
            if at in joined:
                continue
            until = next((other for other in range(at + 1, len(marks)) if other not in joined), len(marks))
            if until > at + 1:
                some = marks[at:until]
                mark = Mark(self, some[0][0][0])
                mark.until(max(last_ns for (_, last_ns), _ in some))
                for _, path in some if mark.is_made else ():
                    path.unlink(missing_ok=True)

    def _marks(self) -> Iterator[tuple[Time, Path]]:
        """Yields the times in the folder of marks, with their files."""
        with contextlib.suppress(OSError):
            for name in names_in(self.unknown):
                first, dash, _ = name.partition("-")
                if dash and first.isdecimal() and len(first) < _MOST_DIGITS:
                    with contextlib.suppress(FileNotFoundError):  # taken back
                        path = self.unknown / name
                        yield (int(first), max(int(first), path.lstat().st_mtime_ns)), path

    def ready_segments(self, destination: str | None = None) -> list[SegmentFile]:
        """Returns the segments in `ready/`, oldest first, of one destination or of all."""
        wanted = (name for name in _names_in(self.ready) if destination in {None, destination_of(name)})
        return _sorted(self._readable(wanted))

    def ready_windows(self, destinations: Collection[str]) -> Iterator[list[SegmentFile]]:
        """Yields the segments in `ready/` of some destinations, a thousand at a time, each time oldest first.

        There can be any number of them: what a day without a server leaves must not take all memory.
        """
        names_here = [name for name in _names_in(self.ready) if destination_of(name) in destinations]
        for begin in range(0, len(names_here), _WINDOW):
            yield _sorted(self._readable(names_here[begin : begin + _WINDOW]))

    def ready_destinations(self) -> set[str]:
        """Returns the ids of the destinations of the segments in `ready/`."""
        return {destination_of(name) for name in _names_in(self.ready)}

    def living_segments(self, destination: str | None = None) -> list[SegmentFile]:
        """Returns the segments in the slots, each slot's oldest first."""
        return [segment for folder in self.slot_folders() for segment in self.segments_of(folder, destination)]

    def segments_of(self, folder: Path, destination: str | None = None) -> list[SegmentFile]:
        """Returns the segments in a slot, oldest first; one that a recovery pass moves meanwhile is in `ready/`."""
        found: list[SegmentFile] = []
        for name in _names_in(folder):
            if destination in {None, destination_of(name)}:
                with contextlib.suppress(LineProtocolError):  # a recovery pass sets it aside
                    found += _opened(folder, name, is_closed=False)
        for segment in found:
            segment.elsewhere = self.ready
        return sorted(found, key=lambda segment: segment.header.ordinal)  # the clock may have stepped between two

    def slot_folders(self) -> list[Path]:
        """Returns the folders of the slots that were ever used."""
        with contextlib.suppress(OSError), os.scandir(self.slots) as entries:
            found = [
                entry.name
                for entry in entries
                if entry.name.isascii() and entry.name.isdigit() and entry.is_dir(follow_symlinks=False)
            ]
            return [self.slots / name for name in sorted(found)]
        return []

    def set_aside(self, path: Path) -> None:
        """Moves a file without a segment's header among the dead letters, where a person can mend its lines.

        Where it lies it would be in the way for ever: of the slot's next process, and of each reader of `ready/`.
        """
        with contextlib.suppress(FileNotFoundError):
            if path.lstat().st_size == 0:
                path.unlink()
                return
            path.rename(self.rejected / path.name)
            LOG.error("%s is damaged and is kept in %s: see `otel-job-measure rejected`", path, self.rejected)

    def _readable(self, names_here: Iterable[str]) -> Iterator[SegmentFile]:
        for name in names_here:
            try:
                yield from _opened(self.ready, name, is_closed=True)
            except LineProtocolError:
                self.set_aside(self.ready / name)

    def _check_rights(self, folder: Path) -> None:
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is not a folder")
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(f"{folder} cannot be written")


class Mark:
    """A time of which the history may lack rows: an empty file in `unknown/`, for which a full disk has room.

    Its name begins with the first moment, its modification time is the last one, and each process makes its own. So
    no process waits for another.

    Args:
        state: The state directory.
        from_ns: The first moment, in ns since 1970.
    """

    def __init__(self, state: StateDir, from_ns: int) -> None:
        self._folder = state.unknown
        self._path = state.unknown / f"{from_ns}-{os.urandom(6).hex()}"
        self.is_made = False
        """Whether the last attempt to note it worked."""
        self.stays = False
        """Whether rows are lost for good."""

    def until(self, last_ns: int) -> None:
        """Has the time last until now; if that is impossible, nothing happens."""
        self.is_made = False
        with contextlib.suppress(OSError):
            make_folder(self._folder)
            fd = open_private(self._path, os.O_WRONLY | os.O_CREAT)
            try:
                os.utime(fd, ns=(last_ns, last_ns))
            finally:
                os.close(fd)
            self.is_made = True

    def take_back(self) -> None:
        """Deletes the mark if no row is lost for good: the rows are there after all."""
        with contextlib.suppress(OSError):
            if not self.stays:
                self._path.unlink()


def lose(state: StateDir, segment: Segment, clock: Clock) -> None:
    """Notes that a segment is deleted though the history has not all of it."""
    Mark(state, segment.header.created_ns).until(clock.wall_ns())


def _names_in(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return [name for name in names_in(folder) if name.endswith(SUFFIX)]
    return []


def _sorted(segments: Iterable[SegmentFile]) -> list[SegmentFile]:
    return sorted(segments, key=lambda segment: (segment.header.created_ns, segment.header.ordinal, segment.name))


def _opened(folder: Path, name: str, *, is_closed: bool) -> list[SegmentFile]:
    path = f"{folder}/{name}"
    try:
        return [SegmentFile.open(path, is_closed=is_closed)]
    except FileNotFoundError:
        return []  # shipped and deleted since the folder was listed
    except OSError as error:
        _once.log(logging.ERROR, f"unreadable {path}", "%s cannot be read and is left where it is: %s", path, error)
        return []
