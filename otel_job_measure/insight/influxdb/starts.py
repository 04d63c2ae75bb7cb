"""Runs in the order of their starts."""

from collections.abc import Iterator

from otel_job_measure import names
from otel_job_measure.history.run_record import Place, Run
from otel_job_measure.insight.influxdb.ask import Language
from otel_job_measure.insight.influxdb.read_runs import ReadRuns
from otel_job_measure.insight.influxdb.rows import Rows
from otel_job_measure.insight.influxdb.walk import counts_ns
from otel_job_measure.insight.influxdb.windows import Window, oldest_first


class Starts:
    """Yields runs from the oldest to the newest, each complete, in bounded memory.

    Args:
        language: How the server is asked.
        rows: The rows of the runs.
        whole: The time.
    """

    def __init__(self, language: Language, rows: Rows, whole: Window) -> None:
        self._language = language
        self._rows = rows
        self._whole = whole
        self._seen: set[Place] = set()
        """Runs that were yielded, with rows in a later window."""

    def batches(self) -> Iterator[list[Run]]:
        """Yields runs, those of an earlier batch before those of a later one."""
        first_ns = self._language.first_ns(
            self._rows.ask((names.POINTS, names.RUNS), self._whole, fields=(names.FIELD_UUID,))
        )
        if first_ns is not None:
            whole = self._whole._replace(since_ns=first_ns)
            for window, read in oldest_first(self._rows.between, whole):
                yield self._of_window(window, read)

    def _of_window(self, window: Window, read: ReadRuns) -> list[Run]:
        runs = {place: run for place, run in read.runs.items() if place not in self._seen}
        # What began in an earlier window was yielded with that one, so a start can only lie before all of them.
        missing = {place: run for place, run in runs.items() if run.started_ns is None}
        self._rows.add_starts(missing, self._whole.since_ns)
        self._rows.add_endings(runs, window.until_ns)
        self._seen.update(place for place, run in runs.items() if any(at >= window.until_ns for at in run.endings))
        return sorted(
            (run for run in runs.values() if window.since_ns <= counts_ns(run) < window.until_ns),
            key=lambda run: (counts_ns(run), run.uuid),
        )
