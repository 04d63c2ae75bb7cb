"""The maintenance of a state directory: the recovery pass, the bound on bytes, and the note that it was done."""

import contextlib
import os
import stat
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from otel_job_measure.clock import Clock
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Identity, Segment
from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.journal.private_files import open_private
from otel_job_measure.journal.recovery import recover_slots
from otel_job_measure.journal.segment import MOST_BYTES, SUFFIX, SegmentFile, decode_header
from otel_job_measure.journal.state_dir import Mark, StateDir
from otel_job_measure.journal.vitals import OpenStart
from otel_job_measure.rate_limited_log import LOG, once

_READ = 1024 * 1024
_once = once()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How much a state directory may hold."""

    max_bytes: int
    counters: Counters
    """Where deleted points are counted."""
    is_delivered: Callable[[str], bool]
    """Tells whether InfluxDB has all of a segment, by its name."""
    is_recorded: Callable[[str, int], bool] = lambda _name, _size: True
    """Tells whether the history has so many bytes of a segment, or there is no history."""
    closed: Collection[str] = ()
    """The paths of this process's segments that it no longer writes."""


def maintain(state: StateDir, *, clock: Clock, boot_id: str, bound: Bound | None, always: bool = False) -> None:
    """Ends the runs of dead processes, moves their segments to `ready/`, and deletes what the bound has no room for.

    One process in 20 s does it for all, since each pass looks into every slot; a process that has closed segments of
    its own deletes those itself. The note is made only together with the bound, so that no reader starves it. A command
    that reads has no bound, and `always` makes the recovery pass.
    """
    is_due = state.needs_maintenance(clock)  # asked first: the first process ever makes the file that says so
    with state.adopting() as held:
        if not held:
            return
        if is_due or always:
            recover_slots(state, clock=clock, boot_id=boot_id)
            state.merge_unknown()
        if bound is not None and (is_due or bound.closed):
            enforce(state, bound)
        if bound is not None and is_due:
            state.note_maintenance(clock)


def enforce(state: StateDir, bound: Bound) -> None:
    """Deletes what the bound has no room for; the caller holds `adopt.lock`.

    Segments that InfluxDB has and only the history lacks are deleted first, then the oldest. A segment that is being
    written is never touched: it says what is open. The times that are lost to the history are noted.
    """
    excess = sum(file.status.st_size for file in _files(state)) - bound.max_bytes
    if excess <= 0:
        return
    points = own = 0
    unrecorded: list[int] = []
    for _, written_ns, size, path, is_lost in sorted(_candidates(state, bound)):
        if excess <= 0:
            break
        try:
            lost = _points_in(path) if is_lost else 0
            folder, _, name = path.rpartition("/")
            has_it = folder == str(state.rejected) or bound.is_recorded(name, size)
            times = [] if has_it else _times_of(path, written_ns)
            Path(path).unlink()
        except FileNotFoundError:  # another process has it
            continue
        except OSError as error:  # another user's: the bound holds for the others all the same
            _once.warning(f"kept {path}", "%s cannot be deleted, though there is no room for it: %s", path, error)
            continue
        points, own = points + lost, own + (lost if path in bound.closed else 0)
        unrecorded += times
        excess -= size
    if unrecorded:
        Mark(state, min(unrecorded)).until(max(unrecorded))
    if points:
        bound.counters.dropped(points, "max_bytes", own=own)
        LOG.error(
            "%d undelivered points were deleted: %s holds more than %d bytes", points, state.root, bound.max_bytes
        )


class JournalSource:
    """The reading side of a process's journal, for its shipper; `place` is its directory before the first point."""

    speaks_for_all = False

    def __init__(
        self, journal: SegmentJournal, identity: Identity, bound: Bound, *, clock: Clock, place: StateDir | None = None
    ) -> None:
        self._journal = journal
        self._identity = identity
        self._bound = bound
        self._clock = clock
        self._place = place
        self._is_first = True
        self.own = journal.own
        self.maintain = journal.maintain
        self.drop = journal.drop

    @contextlib.contextmanager
    def left(self) -> Generator[Iterable[Sequence[Segment]] | None]:
        """Holds `adopt.lock` and gives the segments in `ready/` of this destination, some at a time."""
        state = self._state()
        if state is None:
            yield ()
            return
        with state.adopting() as held:
            own = {segment.name for segment in self.own()}
            windows = state.ready_windows({self._identity.destination}) if held else None
            yield windows and ([segment for segment in window if segment.name not in own] for window in windows)

    def open_runs(self) -> Sequence[OpenStart]:
        """Returns the runs that this process has open."""
        slot = self.slot()
        return [OpenStart(line, slot, self._identity.host) for line in self._journal.open_starts()]

    def slot(self) -> int:
        """Returns the last three digits of the journal's timestamps; 0 before the first one."""
        own = self.own()
        return own[-1].header.slot if own else 0

    def has_unwritten(self) -> bool:
        """Returns whether points wait in memory because they cannot be written now."""
        return self._journal.waiting > 0

    def recover(self) -> None:
        """Maintains the state directory; a new process always makes a recovery pass."""
        state = self._state()
        if state is None:
            return
        closed = [segment for segment in self.own()[:-1] if isinstance(segment, SegmentFile)]
        bound = replace(self._bound, closed={str(segment.path) for segment in closed})
        maintain(state, clock=self._clock, boot_id=self._identity.boot_id, bound=bound, always=self._is_first)
        self._is_first = False
        for segment in closed:
            if segment.is_gone():
                self._journal.drop(segment)

    def _state(self) -> StateDir | None:
        if self.own():
            return self._journal.state
        return self._place if self._place is not None and self._place.ready.is_dir() else None


class _File(NamedTuple):
    """A segment or a file of dead letters; its path is text, since there can be a hundred thousand."""

    folder: Path
    path: str
    status: os.stat_result


def _candidates(state: StateDir, bound: Bound) -> Iterator[tuple[bool, int, int, str, bool]]:
    """Yields files that may be deleted: whether a sink lacks it, age, size, path, and whether points would be lost."""
    for folder, path, status in _files(state):
        if folder in {state.ready, state.rejected} or path in bound.closed:
            is_wanted = not bound.is_delivered(path.rpartition("/")[2])
            yield is_wanted, status.st_mtime_ns, status.st_size, path, is_wanted and folder != state.rejected


def _files(state: StateDir) -> Iterator[_File]:
    for folder in (state.ready, state.rejected, *state.slot_folders()):
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX):
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode) and status.st_size <= MOST_BYTES:  # else it is none of ours
                            yield _File(folder, entry.path, status)


def _times_of(path: str, written_ns: int) -> list[int]:
    """Returns when a segment was begun and last written; nothing of a file that is none."""
    try:
        with os.fdopen(open_private(path, os.O_RDONLY), "rb") as file:
            return [decode_header(file.readline(_READ)).created_ns, written_ns]
    except LineProtocolError:
        return []


def _points_in(path: str) -> int:
    points, before = 0, b"\n"
    with os.fdopen(open_private(path, os.O_RDONLY), "rb", buffering=0) as file:
        for _ in range(MOST_BYTES // _READ):
            data = file.read(_READ)
            points += data.count(b"\n") - (before + data).count(b"\n#")
            before = data[-1:]
    return max(0, points)
