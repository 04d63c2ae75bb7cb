"""A journal's files: the slot that it holds and the segment that it writes."""

import contextlib
import os
from collections.abc import Mapping

from otel_job_measure.clock import Clock
from otel_job_measure.journal import slots
from otel_job_measure.journal.file_lock import is_descriptor_of
from otel_job_measure.journal.interfaces import Identity, LostSlotError, Segment, SegmentHeader, Store
from otel_job_measure.journal.segment import SegmentFile, create
from otel_job_measure.journal.state_dir import Mark, StateDir

_MAX_SEGMENT = 16 * 1024 * 1024
_MIN_SEGMENT = 64 * 1024
_RETRY_ROTATION = 1024 * 1024
_MARGIN_NS = 2_000_000_000
"""A run takes its timestamp before its point is appended."""


class SegmentWriter:
    """One slot and its segments."""

    def __init__(  # noqa: PLR0913 - a writer's parts
        self,
        state: StateDir,
        identity: Identity,
        clock: Clock,
        open_runs: Mapping[str, bytes],
        *,
        max_bytes: int,
        before: Store | None = None,
    ) -> None:
        self.state = state
        self._identity = identity
        self._clock = clock
        self._open_runs = open_runs
        self._max_bytes = max_bytes
        self._segments: tuple[SegmentFile, ...] = before.own() if isinstance(before, SegmentWriter) else ()
        self._limit = _MAX_SEGMENT
        self._fd = -1
        self._file = (-1, -1)
        self.mark: Mark | None = before.mark if isinstance(before, SegmentWriter) else None
        """The time of which points are not written, while there are some."""
        self._slot = slots.take(state, clock)
        try:
            self._begin_segment()
        except OSError:
            self._slot.abandon()
            raise

    @property
    def slot(self) -> int:
        """Returns the slot's number."""
        return self._slot.number

    def write(self, data: bytes) -> bool:
        """Appends whole lines in one write, and cuts off a short write; returns whether the segment is full."""
        segment, size = self._segments[-1], self._size_if_ours()
        if size is None or size != segment.good_end:
            segment, size = self._next_segment(size)
        written = os.write(self._fd, data)
        if written != len(data):
            self._cut(size)
            raise OSError(f"only {written} of {len(data)} bytes could be written")
        segment.good_end = good_end = size + written
        return good_end >= self._limit

    def behind(self, waiting: int, *, is_lost: bool = False) -> None:
        """Marks the time from the first point that could not be written until now; takes that back if none is lost."""
        if waiting:
            now_ns = self._clock.wall_ns()
            self.mark = self.mark or Mark(self.state, now_ns - _MARGIN_NS)
            self.mark.stays = self.mark.stays or is_lost
            self.mark.until(now_ns)
        elif self.mark is not None:
            self.mark.take_back()
            self.mark = None

    def rotate(self) -> None:
        """Begins a new segment if the present one is full."""
        size = self._segments[-1].good_end or 0
        if size >= self._limit:
            self._limit = size + _RETRY_ROTATION
            self._begin_segment()

    def hand_over(self) -> None:
        """Begins a new segment and moves the older ones to `ready/`."""
        older = self._segments
        self._begin_segment()
        for segment in older:
            segment.move(self.state.ready)
            self.release(segment)  # only now: what cannot be moved stays this process's

    def check(self) -> bool:
        """Leaves a harmed segment for a new one; returns whether the lock is still ours.

        Apps close and reuse descriptors, people delete files.
        """
        if not self._slot.is_held():
            return False
        size = self._size_if_ours()
        if size != self._segments[-1].good_end:
            with contextlib.suppress(OSError):  # the next append tries again and says what is wrong
                self._next_segment(size)
        return True

    def own(self) -> tuple[SegmentFile, ...]:
        """Returns the closed segments that are still here, and the one that is being written."""
        return self._segments

    def release(self, segment: Segment) -> bool:
        """Forgets a segment that every sink has, but not the one that is being written."""
        if segment is self._segments[-1]:
            return False
        self._segments = tuple(kept for kept in self._segments if kept is not segment)
        return True

    def close(self, *, delivered: bool, last_ns: int | None = None) -> None:
        """Gives the slot back; segments that some sink may lack go to `ready/`."""
        for segment in self._segments:
            segment.delete() if delivered else segment.move(self.state.ready)
        self._close_descriptor()
        self._slot.release(last_ns)

    def abandon(self) -> None:
        """Closes the parent's descriptors in a child of fork, which may be in the middle of a write here."""
        self._close_descriptor()
        self._slot.abandon()

    def _begin_segment(self) -> None:
        header = SegmentHeader(
            identity=self._identity,
            slot=self._slot.number,
            ordinal=self._segments[-1].header.ordinal + 1 if self._segments else 0,
            created_ns=self._clock.wall_ns(),
        )
        fd, segment = create(self._slot.folder, header, b"".join(list(self._open_runs.values())))
        segment.elsewhere = self.state.ready
        status = os.fstat(fd)
        self._replace_descriptor(fd)
        self._file = (status.st_dev, status.st_ino)
        self._segments = (*self._segments, segment)  # in one step: the shipper's thread reads it without a lock
        self._limit = self._segment_limit()

    def _next_segment(self, size: int | None) -> tuple[SegmentFile, int]:
        """Begins a segment in place of one whose descriptor is lost, or that does not end at our last good byte."""
        if not self._slot.is_held():
            raise LostSlotError(f"the lock of slot {self._slot.number} in {self.state.root} was closed or deleted")
        left = self._segments[-1]
        self._begin_segment()
        if size is None or size < (left.good_end or 0):
            left.good_end = None  # readers take what is there
        return self._segments[-1], self._segments[-1].good_end or 0

    def _replace_descriptor(self, fd: int) -> None:
        # dup2 keeps our number taken: between a close and an open the app could get it.
        if self._fd >= 0 and is_descriptor_of(self._fd, self._file):
            os.dup2(fd, self._fd, inheritable=False)
            os.close(fd)
        else:
            self._fd = fd

    def _segment_limit(self) -> int:
        with contextlib.suppress(OSError):
            journals = max(1, len(self.state.slot_folders()))
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
        # If that fails, readers stop at the last good byte, and the next append begins a new segment.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, size)

    def _close_descriptor(self) -> None:
        if self._fd >= 0 and is_descriptor_of(self._fd, self._file):
            os.close(self._fd)
        self._fd = -1
