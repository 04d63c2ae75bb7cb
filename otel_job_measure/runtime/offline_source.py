"""What `otel-job-measure ship` sends: the segments of the dead and of the living, of this destination and of others."""

import contextlib
import logging
from collections import defaultdict
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence

from otel_job_measure.clock import Clock
from otel_job_measure.journal.interfaces import Segment
from otel_job_measure.journal.living_runs import LivingRuns
from otel_job_measure.journal.maintenance import Bound, maintain
from otel_job_measure.journal.slots import any_slot
from otel_job_measure.journal.state_dir import StateDir, lose
from otel_job_measure.journal.vitals import OpenStart
from otel_job_measure.rate_limited_log import LOG, RateLimitedLog
from otel_job_measure.settings.model import ANY, LOCAL


class OfflineSource:
    """The segments of a state directory, for `ship`: those of dead processes, then those of living ones.

    It gives the segments of its destination, of no destination, and of the `redirected` destinations.
    """

    speaks_for_all = True

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
        self._limited_log = RateLimitedLog(LOG, clock)
        self._living_runs = LivingRuns(state, clock, is_wanted=self._destinations.__contains__)
        self._slot = any_slot()

    def own(self) -> Sequence[Segment]:
        """Returns nothing: this process writes no points."""
        return ()

    @contextlib.contextmanager
    def left(self) -> Generator[Iterable[Sequence[Segment]] | None]:
        """Holds `adopt.lock` and yields all segments to send; None if another process holds it."""
        with self._state.adopting() as held:
            self._kept = set()
            yield self._windows() if held else None

    def open_runs(self) -> Sequence[OpenStart]:
        """Returns the runs that are open in living processes."""
        return self._living_runs.open_runs()

    def slot(self) -> int:
        """Returns a number by chance: this process takes no slot."""
        return self._slot

    def has_unwritten(self) -> bool:
        """Returns False: what other processes have in memory cannot be known."""
        return False

    def recover(self) -> None:
        """Maintains the state directory; each recovery pass finds the commands that were killed since the last."""
        maintain(self._state, clock=self._clock, boot_id=self._boot_id, bound=self._bound, always=True)

    def maintain(self) -> None:
        """Has nothing of its own to look after."""

    def drop(self, segment: Segment, *, is_lost: bool = False) -> None:
        """Deletes a segment that every sink has, except the newest one of a living process."""
        if segment.name in self._kept:
            return
        if is_lost:
            lose(self._state, segment, self._clock)
        try:
            segment.delete()
        except OSError as error:  # the next pass tries again
            self._limited_log.log(logging.ERROR, "undeleted", "a delivered segment cannot be deleted: %s", error)

    def waiting_elsewhere(self) -> dict[tuple[str, str], list[int]]:
        """Returns the sizes of segments for other destinations, by the id and the label of the destination."""
        sizes: dict[tuple[str, str], list[int]] = defaultdict(list)
        for window in self._state.ready_windows(self._state.ready_destinations() - {*self._destinations, LOCAL}):
            for segment in window:
                sizes[segment.header.destination, segment.header.identity.label].append(segment.size())
        return sizes

    def _windows(self) -> Iterator[Sequence[Segment]]:
        yield from self._state.ready_windows(self._destinations)
        yield self._living()

    def _living(self) -> Sequence[Segment]:
        living: list[Segment] = []
        self._kept = set()
        for folder in self._state.slot_folders():
            found = [s for s in self._state.segments_of(folder) if s.header.destination in self._destinations]
            self._kept |= {segment.name for segment in found[-1:]}
            living += found
        return living
