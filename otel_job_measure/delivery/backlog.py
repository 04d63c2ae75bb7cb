"""How many points of a process wait for the server."""

from otel_job_measure.journal.counters import Counters


class Backlog:
    """Counts the points between the journal and the server.

    The start lines that a new segment repeats can make the count of settled points too high; the count is corrected
    each time everything is delivered.
    """

    __slots__ = ("_counters", "_settled")

    def __init__(self, counters: Counters | None = None) -> None:
        self._counters = counters or Counters()
        self._settled = 0

    @property
    def points(self) -> int:
        """Returns how many points are pending."""
        appended = self.appended()
        self._settled = min(self._settled, appended)  # dropped points may have been settled in part
        return appended - self._settled

    def appended(self) -> int:
        """Returns how many points were ever appended, without dropped ones."""
        counts = self._counters.now()
        return counts.appended - counts.given_up

    def settled(self, points: int) -> None:
        """Counts points that the server accepted or refused for good."""
        self._settled = min(self._settled + points, self.appended())

    def caught_up(self, appended: int) -> None:
        """Notes that all of the points are settled that `appended` had counted."""
        self._settled = appended
