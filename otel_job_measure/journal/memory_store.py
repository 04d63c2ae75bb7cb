"""A journal's lines in memory, if there is no place to write them; they end with the process."""

import os
from collections.abc import Sequence

from otel_job_measure.clock import Clock
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Identity, Segment, SegmentHeader, Store
from otel_job_measure.journal.slots import any_slot
from otel_job_measure.journal.state_dir import Mark

_SEGMENT_BYTES = 256 * 1024
_MAX_BYTES = 16 * 1024 * 1024


class MemorySegment:
    """Some lines in memory."""

    __slots__ = ("_data", "header", "name")

    def __init__(self, header: SegmentHeader) -> None:
        self.header = header
        self.name = f"memory-{os.urandom(8).hex()}"
        self._data = bytearray()

    def append(self, data: bytes) -> None:
        """Adds whole lines."""
        self._data += data

    def size(self) -> int:
        """Returns how many bytes it has."""
        return len(self._data)

    def points(self) -> int:
        """Returns how many points it has."""
        return sum(not line.startswith(b"#") for line in bytes(self._data).splitlines())

    def read(self, offset: int, limit: int) -> bytes:
        """Returns whole lines from `offset` on, at most `limit` bytes unless one line is longer."""
        data = bytes(self._data[offset : offset + limit])
        whole = data[: data.rfind(b"\n") + 1]
        if whole or offset + limit >= len(self._data):
            return whole
        return self.read(offset, 2 * limit)

    def delete(self) -> None:
        """Has nothing to delete: the store forgets it."""


class MemoryStore:
    """Segments in memory, at most 16 MiB; the oldest are dropped first, and counted.

    If they should be in a state directory, a `mark` there tells of which time its history has no rows.
    """

    state = None

    def __init__(
        self,
        identity: Identity,
        clock: Clock,
        counters: Counters,
        before: Store | None = None,
        mark: Mark | None = None,
    ) -> None:
        self._identity = identity
        self._clock = clock
        self._counters = counters
        self.mark: Mark | None = before.mark if isinstance(before, MemoryStore) else mark
        self.slot = any_slot()
        self._segments: list[MemorySegment] = list(before.own()) if isinstance(before, MemoryStore) else []
        self._begin_segment()

    def write(self, data: bytes) -> bool:
        """Appends whole lines, and returns whether the present segment is full."""
        segment = self._segments[-1]
        segment.append(data)
        if self.mark is not None:
            self.mark.until(self._clock.wall_ns())
        return segment.size() >= _SEGMENT_BYTES

    def behind(self, waiting: int, *, is_lost: bool = False) -> None:
        """Has its mark already: nothing that is here comes into the history."""

    def rotate(self) -> None:
        """Begins a new segment if the present one is full, and drops the oldest beyond the bound."""
        if self._segments[-1].size() < _SEGMENT_BYTES:
            return
        self._begin_segment()
        while sum(segment.size() for segment in self._segments) > _MAX_BYTES:
            oldest, *self._segments = self._segments
            self._counters.dropped(oldest.points(), "memory", own=oldest.points())

    def hand_over(self) -> None:
        """Has no files that another process could take."""

    def check(self) -> bool:
        """Returns that nothing can be taken away."""
        return True

    def own(self) -> Sequence[MemorySegment]:
        """Returns the segments, oldest first."""
        return tuple(self._segments)

    def release(self, segment: Segment) -> bool:
        """Forgets a segment, but not the one that is being written."""
        if segment is self._segments[-1]:
            return False
        self._segments = [kept for kept in self._segments if kept is not segment]
        return True

    def close(self, *, delivered: bool, last_ns: int | None = None) -> None:
        """Counts what no sink has; nothing is lost if another store takes this one's place."""
        points = sum(segment.points() for segment in self._segments)
        if points and not delivered and last_ns is None:
            self._counters.dropped(points, "memory", own=points)

    def abandon(self) -> None:
        """Has no descriptors to close."""

    def _begin_segment(self) -> None:
        ordinal = self._segments[-1].header.ordinal + 1 if self._segments else 0
        header = SegmentHeader(self._identity, slot=self.slot, ordinal=ordinal, created_ns=self._clock.wall_ns())
        self._segments = [*self._segments, MemorySegment(header)]
