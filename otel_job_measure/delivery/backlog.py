"""How many points are on their way: those of this process, and those that others left."""

from typing import NamedTuple

from otel_job_measure.journal.counters import Counters


class Looked(NamedTuple):
    """What is left after a look at what others left.

    Args:
        elsewhere: Whether another process sees to it, or it could not be seen.
        pending_bytes: How many bytes some sink does not have yet.
    """

    elsewhere: bool = False
    pending_bytes: int = 0


class Backlog:
    """Follows the points between the journal and InfluxDB.

    Start lines that a new segment repeats make the count of what is settled too high now and then; each time that
    everything is delivered it is put right.

    Args:
        counters: Counts what is appended; None where nobody asks.
    """

    __slots__ = ("_counters", "_settled")

    def __init__(self, counters: Counters | None) -> None:
        self._counters = counters
        self._settled = 0

    @property
    def points(self) -> int:
        """Returns how many points are on their way."""
        appended = self.appended()
        self._settled = min(self._settled, appended)  # what was given up may have been settled in part
        return appended - self._settled

    def appended(self) -> int:
        """Returns how many points were ever appended, without those that a bound left no room for."""
        if self._counters is None:
            return 0
        counts = self._counters.now()
        return counts.appended - counts.given_up

    def settled(self, points: int) -> None:
        """Notes that InfluxDB has some points, or will never have them."""
        self._settled = min(self._settled + points, self.appended())

    def caught_up(self, appended: int) -> None:
        """Notes that everything is settled of what was appended at a moment.

        Args:
            appended: What `appended` returned then.
        """
        self._settled = appended
