"""What `otel-job-measure ship` sends: the segments of the dead and of the living, of this destination and of others."""

import contextlib
from collections import Counter
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass

from otel_job_measure.clock import Clock
from otel_job_measure.journal.adoption import adopt
from otel_job_measure.journal.protocols import Segment
from otel_job_measure.journal.segments import SegmentFile
from otel_job_measure.journal.statedir import StateDir
from otel_job_measure.settings.model import ANY, LOCAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits for a destination.

    Args:
        destination: The destination's id.
        label: The destination in words.
        segments: How many segments.
        bytes: How much they hold.
    """

    destination: str
    label: str
    segments: int
    bytes: int


class LeftBehind:
    """The segments of a state directory, for whoever delivers in the place of the processes that wrote them.

    Args:
        state: The state directory, which exists.
        destination: The id of the destination that is delivered to; what was written without one goes there too.
        redirected: The ids of other destinations whose left segments are sent there.
        clock: The machine's clocks.
        boot_id: The present boot's.
    """

    def __init__(
        self, state: StateDir, destination: str, redirected: Collection[str], *, clock: Clock, boot_id: str
    ) -> None:
        self._state = state
        self._destinations = {destination, ANY, *redirected}
        self._clock = clock
        self._boot_id = boot_id
        self._kept: set[str] = set()

    def own(self) -> Sequence[Segment]:
        """Returns nothing: this process writes no points."""
        return ()

    @contextlib.contextmanager
    def left(self) -> Generator[Sequence[Segment] | None]:
        """Holds `adopt.lock` and gives all segments that are to be sent; None where another process holds it."""
        with self._state.adopting() as held:
            yield self._segments() if held else None

    def adopt(self) -> None:
        """Closes the runs of those who are gone, and puts their segments into `ready/`."""
        with self._state.adopting() as held:
            if held:
                adopt(self._state, clock=self._clock, boot_id=self._boot_id)

    def upkeep(self) -> None:
        """Has nothing of its own to look after."""

    def drop(self, segment: Segment) -> None:
        """Deletes a segment that every sink has, but not the newest of a living process."""
        if segment.name not in self._kept:
            segment.delete()

    def waiting_elsewhere(self) -> list[Waiting]:
        """Returns what was left for other destinations, which this one does not send."""
        segments: Counter[tuple[str, str]] = Counter()
        sizes: Counter[tuple[str, str]] = Counter()
        for segment in self._state.ready_segments():
            header = segment.header
            if header.destination not in {*self._destinations, LOCAL}:
                segments[header.destination, header.label] += 1
                sizes[header.destination, header.label] += segment.size()
        return [
            Waiting(destination=key[0], label=key[1], segments=count, bytes=sizes[key])
            for key, count in sorted(segments.items())
        ]

    def _segments(self) -> list[SegmentFile]:
        found = [s for s in self._state.ready_segments() if s.header.destination in self._destinations]
        self._kept = set()
        for folder in self._state.slot_folders():
            living = [s for s in self._state.segments_of(folder) if s.header.destination in self._destinations]
            self._kept |= {segment.name for segment in living[-1:]}
            found += living
        return found
