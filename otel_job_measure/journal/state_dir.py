"""The state directory: where everything lies, and the locks that say who may touch what."""

import contextlib
import logging
import os
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.journal import flocks
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.interfaces import Segment
from otel_job_measure.journal.private_files import give_to_owner, refuse_strangers
from otel_job_measure.journal.segment import SUFFIX, SegmentFile, destination_of

_S = TypeVar("_S", bound=Segment)
_log = logging.getLogger(names.LOGGER)
_DIR_MODE = 0o700
_WINDOW = 1000
_MOST_SAID = 1000
_said: set[Path] = set()
_LOOKED_NS = 20_000_000_000
"""How long one look at what the dead left is enough for all processes; each of them looks every 30 s."""


class StateDir:
    """The folder of a user's journals, shared by all of its processes and destinations.

    Args:
        root: An absolute path.
    """

    def __init__(self, root: Path) -> None:
        """Names the places; nothing is made yet."""
        self.root = root
        self.slots = root / "slots"
        self.ready = root / "ready"
        self.rejected = root / "rejected"
        self.history = root / "history.db"
        self.history_lock = root / "history.lock"
        self.positions = root / "shipped.json"
        self._adopt_lock = root / "adopt.lock"

    def make(self) -> None:
        """Makes the folders that are missing, for the owner alone.

        Raises:
            OSError: It cannot be made or written, it is another user's, or the system has no flock.
        """
        if not flocks.IS_AVAILABLE:  # pragma: no cover - see above
            msg = "this system has no flock"
            raise OSError(msg)
        for folder in (self.root, self.slots, self.ready, self.rejected):
            make_folder(folder)
            refuse_strangers(folder, may_be_link=folder is self.root)
        if not os.access(self.slots, os.W_OK | os.X_OK):
            msg = f"{self.slots} cannot be written"
            raise PermissionError(msg)

    @contextlib.contextmanager
    def adopting(self) -> Generator[bool]:
        """Holds `adopt.lock`; gives False where another process has it, or this one has no right to it any more."""
        try:
            taken = lock(self._adopt_lock)
        except PermissionError:
            taken = None
        if taken is None:
            yield False
            return
        try:
            yield True
        finally:
            taken.release()

    def was_looked_after(self, clock: Clock) -> bool:
        """Returns whether somebody has adopted what the dead left a moment ago; the caller holds `adopt.lock`."""
        with contextlib.suppress(OSError):
            return 0 <= clock.wall_ns() - self._adopt_lock.stat().st_mtime_ns < _LOOKED_NS
        return False

    def note_look(self, clock: Clock) -> None:
        """Lets all other processes know that this has just been done; the caller holds `adopt.lock`."""
        with contextlib.suppress(OSError):
            os.utime(self._adopt_lock, ns=(clock.wall_ns(), clock.wall_ns()))

    def ready_segments(self, destination: str | None = None) -> list[SegmentFile]:
        """Returns the segments in `ready/`, oldest first, of one destination or of all."""
        wanted = (name for name in _names_in(self.ready) if destination in {None, destination_of(name)})
        return _sorted(self._readable(wanted, _open_file))

    def ready_windows(self, destinations: Collection[str]) -> Iterator[list[Segment]]:
        """Yields the segments in `ready/` that go to some destinations, a thousand at a time, each time oldest first.

        There can be any number of them: what a day without a server leaves must not take all memory.
        """
        # Who sends has it loaded: what only appends can do without.
        from otel_job_measure.journal.left import open_left  # noqa: PLC0415 - as said

        names_here = [name for name in _names_in(self.ready) if destination_of(name) in destinations]
        for begin in range(0, len(names_here), _WINDOW):
            yield _sorted(self._readable(names_here[begin : begin + _WINDOW], open_left))

    def ready_destinations(self) -> set[str]:
        """Returns the ids of the destinations that the segments in `ready/` go to."""
        return {destination_of(name) for name in _names_in(self.ready)}

    def set_aside(self, path: Path) -> None:
        """Puts what looks like a segment, and has no head of one, among the refused lines: somebody can mend it there.

        Where it lies it would be in the way for ever: of a slot's next owner, and of whoever looks for what to send.
        """
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size == 0:
                path.unlink()
                return
            path.rename(self.rejected / path.name)
            _log.error("%s is damaged and is kept in %s: see `otel-job-measure rejected`", path, self.rejected)

    def _readable(self, names_here: Iterable[str], open_: Callable[[str, str], _S]) -> Iterator[_S]:
        ready = str(self.ready)
        for name in names_here:
            try:
                yield from _opened(ready, name, open_)
            except LineProtocolError:
                self.set_aside(self.ready / name)

    def living_segments(self, destination: str | None = None) -> list[SegmentFile]:
        """Returns the segments in the slots, each slot's oldest first."""
        found: list[SegmentFile] = []
        for folder in self.slot_folders():
            found += self.segments_of(folder, destination)
        return found

    def segments_of(self, folder: Path, destination: str | None = None) -> list[SegmentFile]:
        """Returns the segments in a slot, oldest first; one that is adopted meanwhile is found in `ready/`."""
        found = segments_in(folder, destination)
        found.sort(key=lambda segment: segment.header.ordinal)  # the clock may have stepped between two of them
        for segment in found:
            segment.elsewhere = self.ready
        return found

    def slot_folders(self) -> list[Path]:
        """Returns the folders of the slots that were ever used."""
        with contextlib.suppress(OSError):
            return sorted(entry for entry in self.slots.iterdir() if entry.name.isdigit())
        return []


def segments_in(folder: Path, destination: str | None = None) -> list[SegmentFile]:
    """Returns a folder's segments, oldest first; what is no segment is left alone."""
    found: list[SegmentFile] = []
    for name in _names_in(folder):
        if destination in {None, destination_of(name)}:
            with contextlib.suppress(LineProtocolError):  # who adopts it sees to that
                found += _opened(str(folder), name, _open_file)
    return _sorted(found)


def _names_in(folder: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        return [name for name in os.listdir(folder) if name.endswith(SUFFIX)]  # noqa: PTH208 - a hundred thousand names, not as many paths
    return []


def _sorted(segments: Iterable[_S]) -> list[_S]:
    return sorted(segments, key=lambda segment: (segment.header.created_ns, segment.header.ordinal, segment.name))


def _open_file(folder: str, name: str) -> SegmentFile:
    return SegmentFile.open(Path(folder, name))


def _opened(folder: str, name: str, open_: Callable[[str, str], _S]) -> list[_S]:
    try:
        return [open_(folder, name)]
    except FileNotFoundError:
        return []  # shipped and deleted since the folder was listed
    except OSError as error:
        path = Path(folder, name)
        if path not in _said and len(_said) < _MOST_SAID:
            _said.add(path)
            _log.error("%s cannot be read and is left where it is (this is said once): %s", path, error)
        return []


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it, for the owner alone, whatever the umask."""
    try:
        folder.mkdir(mode=_DIR_MODE, parents=True)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(fd, _DIR_MODE)
        give_to_owner(fd, folder.parent)
    finally:
        os.close(fd)
