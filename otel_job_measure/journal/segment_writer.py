"""A journal's files: a slot that is held, the segment that is written, those that wait to be shipped."""

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

from otel_job_measure.clock import Clock
from otel_job_measure.journal import slots
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.file_lock import is_descriptor_of
from otel_job_measure.journal.identity import Identity
from otel_job_measure.journal.interfaces import Position, Segment, SegmentHeader
from otel_job_measure.journal.segment import SegmentFile, create
from otel_job_measure.journal.state_dir import StateDir, make_folder

_MAX_SEGMENT = 16 * 1024 * 1024
_MIN_SEGMENT = 64 * 1024
_RETRY_ROTATION = 1024 * 1024


class SegmentWriter:
    """One slot and its segments.

    Args:
        state: The state directory, which exists.
        identity: What the segments' first lines say.
        clock: The machine's clocks.
        open_runs: The start line of each run that is open, by uuid; its owner keeps it up to date.
        max_bytes: The bound on all segments of the state directory; segments are smaller where it is small.
        counters: Where the points are counted that the bound leaves no room for.
        is_delivered: Tells of a segment, by name, whether InfluxDB has all of it.

    Raises:
        OSError: There is no free slot, or the first segment cannot be written.
    """

    def __init__(  # noqa: PLR0913 - what a store is made of, each once
        self,
        state: StateDir,
        identity: Identity,
        clock: Clock,
        open_runs: Mapping[str, bytes],
        *,
        max_bytes: int,
        counters: Counters,
        is_delivered: Callable[[str], bool],
    ) -> None:
        """Takes a slot and begins its first segment."""
        self._state = state
        self._identity = identity
        self._clock = clock
        self._open_runs = open_runs
        self._max_bytes = max_bytes
        self._counters = counters
        self._is_delivered = is_delivered
        self._segments: tuple[SegmentFile, ...] = ()
        self._has_looked = False
        self._is_abandoned = False
        self._limit = _MAX_SEGMENT
        self._ordinal = -1
        self._fd = -1
        self._file = (-1, -1)
        self._slot = slots.take(state, clock)
        try:
            self._begin_segment()
        except OSError:
            self._slot.release()
            raise

    @property
    def slot(self) -> int:
        """Returns the slot's number."""
        return self._slot.number

    @property
    def _segment(self) -> SegmentFile:
        return self._segments[-1]

    def write(self, data: bytes) -> bool:
        """Appends whole lines in one write; a short write is cut off again.

        Returns:
            Whether the segment is full, or the slot may be another one now.

        Raises:
            OSError: Nothing of them is in the segment.
        """
        segment, size = self._segments[-1], self._size_if_ours()
        is_lost = size is None or size != segment.good_end
        if size is None or is_lost:
            segment, size = self._found_again(size)
        written = os.write(self._fd, data)
        if written != len(data):
            self._cut(size)
            msg = f"only {written} of {len(data)} bytes could be written"
            raise OSError(msg)
        segment.good_end = good_end = size + written
        return is_lost or good_end >= self._limit

    def rotate_if_full(self) -> None:
        """Begins a new segment where the present one is full.

        Raises:
            OSError: None can be begun; the present one goes on.
        """
        size = self._segment.good_end or 0
        if size >= self._limit:
            self._limit = size + _RETRY_ROTATION
            self._begin_segment()

    def move(self, last_ns: int) -> None:
        """Goes on in another slot.

        Args:
            last_ns: The last time that this one gave.

        Raises:
            OSError: There is no other.
        """
        before = self._slot
        self._slot = slots.take(self._state, self._clock)
        try:
            self._begin_segment()
        except OSError:
            self._slot.release()
            self._slot = before
            raise
        # The new segment says what is open, so the old ones hold nothing that an adopter could take for lost.
        for segment in self._segments[:-1]:
            segment.move(self._state.ready)
        before.release(last_ns)

    def check(self) -> None:
        """Takes the lock and the segment again where the app has closed our descriptors."""
        size = self._size_if_ours() if self._slot.is_held() else None
        if size != self._segment.good_end:
            with contextlib.suppress(OSError):  # the next append tries again and says what is wrong
                self._found_again(size)

    def tail(self) -> Position:
        """Returns the place after the last good byte."""
        return Position(self._ordinal, self._segment.good_end or 0)

    def own(self) -> Sequence[Segment]:
        """Returns the closed segments that are still here, and the one that is written."""
        return self._segments

    @contextlib.contextmanager
    def left(self) -> Generator[Iterable[Sequence[Segment]] | None]:
        """Holds `adopt.lock` and gives what others left for this destination."""
        with self._state.adopting() as held:
            own = {segment.name for segment in self.own()}
            if not held:
                yield None
            else:
                ready = self._state.ready_windows({self._identity.destination})
                yield ([segment for segment in window if segment.name not in own] for window in ready)

    def adopt(self) -> None:
        """Closes the runs of those who are gone, puts their segments into `ready/`, and sees to the bound.

        A new process always does; after that one of all does it for all, since each would look into every slot.
        """
        # Who ships has them loaded, and nobody else comes here: what only appends can do without.
        from otel_job_measure.journal.maintenance import enforce  # noqa: PLC0415 - as said
        from otel_job_measure.journal.recovery import adopt  # noqa: PLC0415 - as said

        with self._state.adopting() as held:
            if not held:
                return
            is_due = not self._has_looked or not self._state.was_looked_after(self._clock)
            if is_due:
                adopt(self._state, clock=self._clock, boot_id=self._identity.boot_id)
                self._state.note_look(self._clock)
                self._has_looked = True
            closed = {str(segment.path) for segment in self._segments[:-1]}
            if is_due or closed:
                enforce(self._state, self._max_bytes, self._counters, self._is_delivered, closed)

    def deleted(self) -> Sequence[Segment]:
        """Returns the closed segments whose files are gone: the bound left no room for them."""
        return [s for s in self._segments[:-1] if not s.path.exists() and not (self._state.ready / s.name).exists()]

    def release(self, segment: Segment) -> bool:
        """Lets go of a segment that every sink has, but not of the one that is still written."""
        if segment is self._segment:
            return False
        self._segments = tuple(kept for kept in self._segments if kept is not segment)
        return True

    def close(self, *, delivered: bool) -> None:
        """Gives the slot back; segments that some sink lacks go to `ready/`, for others to find.

        Args:
            delivered: Whether every sink has everything.
        """
        for segment in self._segments:
            segment.delete() if delivered else segment.move(self._state.ready)
        self._close_descriptor()
        self._slot.release()

    def abandon(self) -> None:
        """Closes the parent's descriptors in a forked child, which may be in the middle of something here."""
        self._is_abandoned = True
        self._close_descriptor()
        self._slot.abandon()

    def _begin_segment(self) -> None:
        ordinal = self._ordinal + 1
        header = SegmentHeader(
            host=self._identity.host,
            boot_id=self._identity.boot_id,
            slot=self._slot.number,
            ordinal=ordinal,
            created_ns=self._clock.wall_ns(),
            destination=self._identity.destination,
            label=self._identity.label,
            runs=self._identity.runs,
        )
        fd, path, size = create(self._slot.folder, header, b"".join(list(self._open_runs.values())))
        segment = SegmentFile(path, header, elsewhere=self._state.ready, good_end=size)
        status = os.fstat(fd)
        self._replace_descriptor(fd)
        self._file = (status.st_dev, status.st_ino)
        self._segments = (
            *self._segments,
            segment,
        )  # in one step: the shipper's thread reads it without a lock
        self._ordinal = ordinal
        self._limit = self._segment_limit()

    def _replace_descriptor(self, fd: int) -> None:
        # dup2 keeps our number taken all the time: between a close and an open the app could get it.
        if self._fd >= 0 and is_descriptor_of(self._fd, self._file):
            os.dup2(fd, self._fd, inheritable=False)
            os.close(fd)
        else:
            self._fd = fd

    def _segment_limit(self) -> int:
        with contextlib.suppress(OSError):
            journals = max(1, len(self._state.slot_folders()))
            return min(_MAX_SEGMENT, max(_MIN_SEGMENT, self._max_bytes // (8 * journals)))
        return _MAX_SEGMENT

    def _size_if_ours(self) -> int | None:
        try:
            status = os.fstat(self._fd)
        except OSError:
            return None
        if (status.st_dev, status.st_ino) != self._file or status.st_nlink == 0:
            return None
        return status.st_size

    def _cut(self, size: int) -> None:
        # Where that fails, readers stop at the last good byte, and the next append leaves the segment.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, size)

    def _found_again(self, size: int | None) -> tuple[SegmentFile, int]:
        """Returns a segment of ours that can be appended to, and its size.

        Args:
            size: What the descriptor's file has; None where that is not ours any more.
        """
        if size is None:
            self._retake()
        else:  # it does not end where we have ended it: a torn line, or somebody else's hand
            left = self._segment
            self._begin_segment()
            if size < (left.good_end or 0):
                left.good_end = None  # readers take what is there
        return self._segment, self._segment.good_end or 0

    def _retake(self) -> None:
        """Takes the lock and the segment again, or a new slot with a new segment."""
        if self._is_abandoned:
            msg = "this journal is that of the parent process"
            raise OSError(msg)
        if not self._slot.is_held():
            self._slot.abandon()
            self._state.make()
            make_folder(self._slot.folder)
            slot = slots.hold(self._slot.folder, self._slot.number, create=True)
            self._slot = slot if slot is not None else slots.take(self._state, self._clock)
        elif is_descriptor_of(self._fd, self._file):
            self._begin_segment()  # the file was deleted under us
            return
        self._fd = -1
        if self._segment.path.parent == self._slot.folder:
            with contextlib.suppress(FileNotFoundError):
                fd = os.open(self._segment.path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
                self._segment.good_end = os.fstat(fd).st_size
                self._fd = fd
                return
        self._begin_segment()

    def _close_descriptor(self) -> None:
        if self._fd >= 0 and is_descriptor_of(self._fd, self._file):
            os.close(self._fd)
        self._fd = -1
