"""The endings after a time of the runs that began before it, read once for any number of runs."""

from bisect import bisect_left
from collections.abc import Callable, Mapping

from otel_job_measure.history.run_record import Place, Run
from otel_job_measure.insight.influxdb.ask import LAST_NS
from otel_job_measure.insight.influxdb.read_runs import ReadRuns
from otel_job_measure.insight.influxdb.windows import Window, oldest_first

_Fetch = Callable[[Window], ReadRuns]


class Later:
    """Reads the whole time from a moment on, and keeps those runs of each window that did not begin in it.

    These are few: runs that were open at the edge of a window, and lost ones that came back.

    Args:
        fetch: Returns what the rows of a time tell of runs.
        since_ns: The moment.
    """

    def __init__(self, fetch: _Fetch, since_ns: int) -> None:
        self._fetch = fetch
        self._edges = [since_ns]
        self._ended: dict[Place, Run] = {}
        for window, read in oldest_first(fetch, Window(since_ns, LAST_NS)):
            self._edges.append(window.until_ns)
            for place, run in read.runs.items():
                if run.started_ns is None:
                    self._ended.setdefault(place, Run(*place)).take(run)

    def add_to(self, runs: Mapping[Place, Run], since_ns: int) -> None:
        """Adds what is known from a time on of runs that began before it.

        Args:
            runs: The runs.
            since_ns: Not before the moment. Up to the next edge of a window, the rows are read again.
        """
        edge_ns = self._edges[bisect_left(self._edges, since_ns)]
        for _, read in oldest_first(self._fetch, Window(since_ns, edge_ns), edge_ns - since_ns):
            _add(runs, read.runs)
        _add(runs, self._ended)


def _add(runs: Mapping[Place, Run], known: Mapping[Place, Run]) -> None:
    for place in runs.keys() & known.keys():
        runs[place].take(known[place])
