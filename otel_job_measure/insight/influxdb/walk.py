"""The runs of a time, complete with what later and earlier rows tell of them, in bounded memory."""

from collections.abc import Callable, Iterator

from otel_job_measure.history.run_record import Place, Run
from otel_job_measure.insight.influxdb.ask import FIRST_NS, LAST_NS
from otel_job_measure.insight.influxdb.read_runs import ReadRuns
from otel_job_measure.insight.influxdb.rows import Rows
from otel_job_measure.insight.influxdb.windows import WIDTH_NS, Window, newest_first


class Walk:
    """The runs of a time, from the newest to the oldest.

    An ending whose start is older waits until that is read; so most runs cost no query of their own. The windows may
    have gaps if no row of interest lies in them.

    Args:
        rows: The rows of the runs.
        whole: The time.
    """

    def __init__(self, rows: Rows, whole: Window) -> None:
        self._rows = rows
        self._whole = whole
        self._ended: dict[Place, Run] = {}
        self._read_ns = self._whole.until_ns

    def batches(self, now_ns: int) -> Iterator[list[Run]]:
        """Yields runs whose start is known, newer ones in earlier batches, and at last the others.

        Args:
            now_ns: The time; few rows are stamped later.
        """
        future, past = Window(now_ns, LAST_NS).within(self._whole), Window(FIRST_NS, now_ns).within(self._whole)
        for whole, width_ns in ((future, LAST_NS), (past, WIDTH_NS)):
            for window, read in newest_first(self._rows.between, whole, width_ns):
                yield self.begun(window, read)
        yield self.without_start()

    def without_start(self, needed: Callable[[Run], bool] = lambda _: True) -> list[Run]:
        """Returns the runs among those read that ended, and whose start is not known at all.

        Args:
            needed: Whether a run is of interest if its start is not known.
        """
        ended = {place: run for place, run in self._ended.items() if self._counts(run) and needed(run)}
        for place in ended:
            del self._ended[place]
        self._rows.add_starts(ended, self._read_ns)
        return [run for run in ended.values() if run.started_ns is None]

    def _counts(self, run: Run) -> bool:
        return self._whole.since_ns <= counts_ns(run) < self._whole.until_ns

    def begun(self, window: Window, read: ReadRuns) -> list[Run]:
        """Takes what was read of the next older window, and returns the runs that began in it."""
        self._read_ns = window.since_ns
        read.add_to(self._ended)
        begun = {place: run for place, run in self._ended.items() if run.started_ns is not None}
        for place in begun:
            del self._ended[place]
        if self._whole.until_ns < LAST_NS:
            self._rows.add_endings(begun, self._whole.until_ns)
        return list(begun.values())


def counts_ns(run: Run) -> int:
    """Returns when a run counts: when it began, or when it ended if that is all that is known."""
    return run.truest().ending.end_ns if run.started_ns is None else run.started_ns
