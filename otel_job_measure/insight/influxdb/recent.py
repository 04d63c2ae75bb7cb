"""The latest runs of each job.

The walk goes back in time, and a job that has enough runs is no longer asked for. So a job of a million runs costs no
more than one of a few, and a job that rarely runs is looked for among the rare ones alone.
"""

from collections.abc import Iterable

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_order import oldest, started_ns
from otel_job_measure.history.run_record import Run, RunRecord, record_of
from otel_job_measure.insight.influxdb.ask import FIRST_NS, LAST_NS, Language
from otel_job_measure.insight.influxdb.matching import matcher
from otel_job_measure.insight.influxdb.read_runs import ReadRuns
from otel_job_measure.insight.influxdb.rows import Rows
from otel_job_measure.insight.influxdb.walk import Walk, counts_ns
from otel_job_measure.insight.influxdb.windows import Window, newest_first, time_of
from otel_job_measure.insight.run_store import Wanted
from otel_job_measure.names import FIELD_UUID
from otel_job_measure.points.monitor import job_of


class Recent:
    """Looks for the latest runs of each job.

    Args:
        language: How the server is asked.
        wanted: Which runs.
        per_job: How many of each job at most.
    """

    def __init__(self, language: Language, wanted: Wanted, per_job: int) -> None:
        self._language = language
        self._per_job = per_job
        self._rows = Rows(language, wanted)
        self._whole = time_of(wanted)
        self._walk = Walk(self._rows, self._whole)
        self._wants = matcher(wanted)
        self._found: dict[JobId, list[RunRecord]] = {}

    def find(self) -> dict[JobId, list[RunRecord]]:
        """Returns the latest runs of each job, the newest first, in the order of the jobs."""
        if self._per_job < 1:
            return {}
        # A run that began in the time may have ended after it, so a job's last row tells only that there is one.
        missing = self._last_rows()
        until_ns = self._whole.until_ns
        while missing and until_ns > self._whole.since_ns:
            # The time in which none of the missing jobs has a row is passed over.
            latest_ns = max(missing.values()) + 1
            whole = Window(self._whole.since_ns, max(self._whole.since_ns, min(until_ns, latest_ns)))
            until_ns = whole.since_ns
            for window, read in newest_first(lambda window: self._between(window, missing), whole):
                until_ns = window.since_ns
                self._take(map(record_of, self._walk.begun(window, read)))
                self._complete(missing)
                if not missing or max(missing.values()) < until_ns:
                    break
        self._take(map(record_of, self._walk.without_start(lambda run: _job(run) in missing)))
        return {job: sorted(self._found[job], key=oldest, reverse=True)[: self._per_job] for job in sorted(self._found)}

    def _last_rows(self) -> dict[JobId, int]:
        found: dict[JobId, int] = {}
        for row in self._language.last_rows(self._rows.ask(window=Window(FIRST_NS, LAST_NS), fields=(FIELD_UUID,))):
            job = job_of(row.tags)
            found[job] = max(found.get(job, FIRST_NS), row.time_ns or 0)
        return {job: at for job, at in found.items() if at >= self._whole.since_ns}

    def _between(self, window: Window, jobs: Iterable[JobId]) -> ReadRuns:
        return self._rows.between(window, {job.job for job in jobs})

    def _take(self, runs: Iterable[RunRecord]) -> None:
        for run in filter(self._wants, runs):
            self._found.setdefault(run.job_id, []).append(run)

    def _complete(self, missing: dict[JobId, int]) -> None:
        """Takes the jobs that have enough runs out of the missing ones, with what only their ends tell."""
        enough: dict[JobId, int] = {}
        for job in missing:
            runs = self._found.get(job, ())
            if len(runs) >= self._per_job:
                self._found[job] = sorted(runs, key=oldest, reverse=True)[: self._per_job]
                enough[job] = started_ns(self._found[job][-1])
        if enough:
            ended = self._walk.without_start(lambda run: counts_ns(run) >= enough.get(_job(run), LAST_NS))
            self._take(map(record_of, ended))
        for job in enough:
            del missing[job]


def _job(run: Run) -> JobId:
    return JobId(run.key.job, run.key.project or "", run.key.stage or "")
