"""The starts before a time of the runs that ended after it, read at most once for any number of calls."""

from collections.abc import Callable, Mapping

from otel_job_measure.history.run_record import Place, Run
from otel_job_measure.insight.influxdb.ask import FIRST_NS
from otel_job_measure.insight.influxdb.read_runs import ReadRuns
from otel_job_measure.insight.influxdb.windows import Window, newest_first


class Earlier:
    """Reads back from a moment, as far as it has to, and keeps the runs that began and may have ended later.

    Args:
        fetch: Returns what the rows of a time tell of runs.
        before_ns: The moment.
        may_end: Whether a later row may tell of a run's true ending.
    """

    def __init__(self, fetch: Callable[[Window], ReadRuns], before_ns: int, may_end: Callable[[Run], bool]) -> None:
        self.before_ns = before_ns
        self.read_ns = before_ns
        """How far back it has read."""
        self._windows = newest_first(fetch, Window(FIRST_NS, before_ns))
        self._may_end = may_end
        self._begun: dict[Place, Run] = {}

    def add_to(self, runs: Mapping[Place, Run], few: int) -> dict[Place, Run]:
        """Adds their starts to runs, and reads on as long as more than a few lack one; returns those."""
        missing = self._without(runs)
        while len(missing) > few and (found := next(self._windows, None)) is not None:
            window, read = found
            self.read_ns = window.since_ns
            self._begun |= {
                place: run for place, run in read.runs.items() if run.started_ns is not None and self._may_end(run)
            }
            missing = self._without(missing)
        return missing

    def _without(self, runs: Mapping[Place, Run]) -> dict[Place, Run]:
        for place in runs.keys() & self._begun.keys():
            runs[place].take(self._begun[place])
        return {place: run for place, run in runs.items() if run.started_ns is None}
