"""A journal's lines in memory, where there is no place to write them; they end with the process."""

import contextlib
import os
from collections.abc import Generator, Iterable, Mapping, Sequence

from otel_job_measure.clock import Clock
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.identity import Identity
from otel_job_measure.journal.interfaces import Position, Segment, SegmentHeader
from otel_job_measure.journal.slots import COUNT, any_slot

_SEGMENT_BYTES = 256 * 1024
_MAX_BYTES = 16 * 1024 * 1024


class MemorySegment:
    """Some lines in memory.

    Args:
        header: As a file would have it in its first line.
    """

    __slots__ = ("_data", "header", "name")

    def __init__(self, header: SegmentHeader) -> None:
        """Begins empty."""
        self.header = header
        self.name = f"memory-{os.urandom(8).hex()}"
        self._data = bytearray()

    def append(self, data: bytes) -> None:
        """Adds whole lines."""
        self._data += data

    def size(self) -> int:
        """Returns the bytes that are here."""
        return len(self._data)

    def read(self, offset: int, limit: int) -> bytes:
        """Returns whole lines from `offset` on, at most `limit` bytes unless one line is longer."""
        data = bytes(self._data[offset : offset + limit])
        whole = data[: data.rfind(b"\n") + 1]
        if whole or offset + limit >= len(self._data):
            return whole
        return self.read(offset, 2 * limit)

    def delete(self) -> None:
        """Has nothing to delete: forgotten is gone."""


class MemoryStore:
    """Segments in memory, at most 16 MiB; the oldest go first, and are counted.

    Args:
        identity: What the segments say of themselves.
        clock: The machine's clocks.
        open_runs: As a store of files has it; here nobody can read them after the process.
        counters: Where what is given up is counted.
    """

    def __init__(self, identity: Identity, clock: Clock, open_runs: Mapping[str, bytes], counters: Counters) -> None:
        """Begins its first segment, in a slot by chance."""
        self._identity = identity
        self._clock = clock
        self._open_runs = open_runs
        self._counters = counters
        self._ordinal = 0
        self.slot = any_slot()
        self._segments = [self._new_segment()]

    def write(self, data: bytes) -> bool:
        """Appends whole lines, and returns whether the present segment is full."""
        segment = self._segments[-1]
        segment.append(data)
        return segment.size() >= _SEGMENT_BYTES

    def rotate_if_full(self) -> None:
        """Begins a new segment, so that those before it can go, and gives up the oldest beyond the bound."""
        if self._segments[-1].size() < _SEGMENT_BYTES:
            return
        self._ordinal += 1
        kept = [*self._segments, self._new_segment()]
        while sum(segment.size() for segment in kept) > _MAX_BYTES:
            oldest = kept.pop(0)
            points = oldest.read(0, oldest.size()).count(b"\n")
            self._counters.dropped(points, "memory", own=points)
        self._segments = kept

    def move(self, last_ns: int) -> None:  # noqa: ARG002 - nobody else takes the slot
        """Goes on with another slot's times."""
        self.slot = (self.slot + 1) % COUNT

    def check(self) -> None:
        """Has nothing that could be taken away."""

    def tail(self) -> Position:
        """Returns the place after everything that was written."""
        return Position(self._ordinal, self._segments[-1].size())

    def own(self) -> Sequence[Segment]:
        """Returns the segments, oldest first."""
        return tuple(self._segments)

    @contextlib.contextmanager
    def left(self) -> Generator[Iterable[Sequence[Segment]] | None]:
        """Gives nothing: no other process leaves anything here."""
        yield ()

    def adopt(self) -> None:
        """Does nothing, for the same reason."""

    def deleted(self) -> Sequence[Segment]:
        """Returns nothing: what goes here is forgotten at once."""
        return ()

    def release(self, segment: Segment) -> bool:
        """Forgets a segment, but for the one that is still written."""
        if segment is self._segments[-1]:
            return False
        self._segments = [kept for kept in self._segments if kept is not segment]
        return True

    def close(self, *, delivered: bool) -> None:
        """Forgets everything, and counts what no sink has."""
        if not delivered:
            points = sum(segment.read(0, segment.size()).count(b"\n") for segment in self._segments)
            if points:
                self._counters.dropped(points, "memory", own=points)
        self._segments = [self._new_segment()]

    def abandon(self) -> None:
        """Leaves the parent's lines to the parent."""
        self._segments = [self._new_segment()]

    def _new_segment(self) -> MemorySegment:
        return MemorySegment(
            SegmentHeader(
                host=self._identity.host,
                boot_id=self._identity.boot_id,
                slot=self.slot,
                ordinal=self._ordinal,
                created_ns=self._clock.wall_ns(),
                destination=self._identity.destination,
                label=self._identity.label,
                runs=self._identity.runs,
            )
        )
