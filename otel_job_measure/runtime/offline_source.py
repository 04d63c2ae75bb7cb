"""What `otel-job-measure ship` sends: the segments of the dead and of the living, of this destination and of others."""

import contextlib
import logging
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.delivery.beside import Beside
from otel_job_measure.journal.interfaces import Segment
from otel_job_measure.journal.maintenance import Bound, maintain
from otel_job_measure.journal.segment import SegmentFile
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings.model import ANY, LOCAL

if TYPE_CHECKING:
    from concurrent.futures import Future

_log = logging.getLogger(names.LOGGER)


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


class OfflineSource:
    """The segments of a state directory, for whoever delivers in the place of the processes that wrote them.

    To open, read and delete the files of a hundred thousand cron jobs takes as long as the server takes for the lines.
    So both are done at once: while some segments are on their way, a thread reads the next and deletes the last. It
    lives no longer than `adopt.lock` is held, and only where there are any.

    Args:
        state: The state directory, which exists.
        destination: The id of the destination that is delivered to; what was written without one goes there too.
        redirected: The ids of other destinations whose left segments are sent there.
        clock: The machine's clocks.
        boot_id: The present boot's.
        bound: How much the state directory may hold.
    """

    def __init__(  # noqa: PLR0913 - what delivery in place of others needs
        self,
        state: StateDir,
        destination: str,
        redirected: Collection[str],
        *,
        clock: Clock,
        boot_id: str,
        bound: Bound,
    ) -> None:
        self._state = state
        self._destinations = {destination, ANY, *redirected}
        self._clock = clock
        self._boot_id = boot_id
        self._bound = bound
        self._kept: set[str] = set()
        self._doomed: list[Segment] = []
        self._said: set[str] = set()

    def own(self) -> Sequence[Segment]:
        """Returns nothing: this process writes no points."""
        return ()

    @contextlib.contextmanager
    def left(self) -> Generator[Iterable[Sequence[Segment]] | None]:
        """Holds `adopt.lock` and gives all segments that are to be sent; None where another process holds it."""
        with self._state.adopting() as held, Beside("otel-job-measure-files") as beside:
            try:
                yield self._windows(beside) if held else None
            finally:
                self._delete(self._taken_doomed())

    def recover(self) -> None:
        """Maintains the state directory; each recovery pass finds the commands that were killed since the last."""
        maintain(self._state, clock=self._clock, boot_id=self._boot_id, bound=self._bound, always=True)

    def maintain(self) -> None:
        """Has nothing of its own to look after."""

    def drop(self, segment: Segment) -> None:
        """Deletes a segment that every sink has, a small one a little later, but not the newest of a living process."""
        if isinstance(segment, SegmentFile) and segment.content is not None:
            self._doomed.append(segment)
        elif segment.name not in self._kept:
            segment.delete()

    def waiting_elsewhere(self) -> list[Waiting]:
        """Returns what was left for other destinations, which this one does not send."""
        segments: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        labels: dict[str, str] = {}
        for window in self._state.ready_windows(self._state.ready_destinations() - {*self._destinations, LOCAL}):
            for segment in window:
                destination = segment.header.destination
                labels[destination] = segment.header.identity.label
                segments[destination] += 1
                sizes[destination] += segment.size()
        return [
            Waiting(destination=destination, label=labels[destination], segments=count, bytes=sizes[destination])
            for destination, count in sorted(segments.items())
        ]

    def _windows(self, beside: Beside) -> Iterator[Sequence[Segment]]:
        windows = self._state.ready_windows(self._destinations)
        window = next(windows, None)
        deleted: Future[None] | None = None
        while window is not None:
            following = beside.submit(lambda: next(windows, None))
            yield window
            deleted = beside.submit(self._delete, self._taken_doomed())
            window = following.result()
        if deleted is not None:
            deleted.result()  # so that who counts what is left finds none of them
        yield self._living()

    def _living(self) -> Sequence[Segment]:
        living: list[Segment] = []
        self._kept = set()
        for folder in self._state.slot_folders():
            found = [s for s in self._state.segments_of(folder) if s.header.destination in self._destinations]
            self._kept |= {segment.name for segment in found[-1:]}
            living += found
        return living

    def _taken_doomed(self) -> Sequence[Segment]:
        doomed, self._doomed = self._doomed, []
        return doomed

    def _delete(self, segments: Sequence[Segment]) -> None:
        """Deletes segments that every sink has; one that can't be deleted is tried again with the next look."""
        for segment in segments:
            try:
                segment.delete()
            except OSError as error:
                if segment.name not in self._said:
                    self._said.add(segment.name)
                    _log.error("a delivered segment cannot be deleted (this is said once): %s", error)
