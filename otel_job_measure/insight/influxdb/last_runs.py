"""Each job's last run and last success, without reading what lies before them."""

from collections.abc import Callable, Iterable, Mapping

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_order import oldest, started_ns
from otel_job_measure.history.run_record import Run, RunRecord, record_of
from otel_job_measure.insight.influxdb.ask import FIRST_NS, LAST_NS, Language
from otel_job_measure.insight.influxdb.matching import matcher
from otel_job_measure.insight.influxdb.read_runs import ReadRuns
from otel_job_measure.insight.influxdb.rows import Rows
from otel_job_measure.insight.influxdb.walk import Walk, counts_ns
from otel_job_measure.insight.influxdb.windows import EVER, Window, newest_first
from otel_job_measure.insight.run_store import LastRuns, Wanted
from otel_job_measure.insight.tally import job_of
from otel_job_measure.points.line_protocol import Point

Accept = Callable[[RunRecord], bool]


class Last:
    """Looks for the last runs of jobs.

    Args:
        language: How the server is asked.
        wanted: Whose runs; only job, project and stage count.
        now_ns: The time; a run that begins later counts only if its job has no other.
    """

    def __init__(self, language: Language, wanted: Wanted, now_ns: int) -> None:
        self._language = language
        self._wanted = wanted.of_jobs()
        self._rows = Rows(language, self._wanted)
        self._wants = matcher(self._wanted)
        self._now_ns = now_ns

    def find(self) -> list[LastRuns]:
        """Returns each job's last run and last success, in the order of the jobs."""
        times = self._times()
        last = self._newest(times, lambda run: started_ns(run) <= self._now_ns)
        last |= self._newest({job: at for job, at in times.items() if job not in last}, lambda _: True)
        success = {job: run for job, run in last.items() if run.status == names.STATUS_END}
        good = self._times_of_successes(job for job in last if job not in success)
        success |= self._newest(good, lambda run: run.status == names.STATUS_END and started_ns(run) <= self._now_ns)
        good = {job: at for job, at in good.items() if job not in success}
        success |= self._newest(good, lambda run: run.status == names.STATUS_END)
        return [LastRuns(job=job, run=last[job], success=success.get(job)) for job in sorted(last)]

    def _times(self) -> dict[JobId, int]:
        """Returns the time of each job's last row."""
        return _latest(self._language.last_rows(self._rows.ask(fields=(names.FIELD_UUID,))))

    def _times_of_successes(self, jobs: Iterable[JobId]) -> dict[JobId, int]:
        """Returns the time of the last ending of each job that ended well."""
        some = {job.job for job in jobs}
        if not some:
            return {}
        run_rows = self._rows.ask((names.RUNS,), fields=(names.FIELD_UUID,), jobs=some)
        old_rows = self._rows.ask(
            (names.POINTS,),
            fields=(names.FIELD_STATUS,),
            jobs=some,
            texts=(names.FIELD_STATUS, (names.STATUS_END,)),
        )
        rows = [row for row in self._language.last_rows(run_rows) if row.tags.get(names.TAG_STATUS) == names.STATUS_END]
        return _latest([*rows, *self._language.last_rows(old_rows)])

    def _newest(self, times: Mapping[JobId, int], accept: Accept) -> dict[JobId, RunRecord]:
        """Returns of each job the newest run that is accepted.

        Args:
            times: By job, a time after which none of its rows is of interest.
            accept: Whether a run is what is looked for.
        """
        found: dict[JobId, RunRecord] = {}
        missing = dict(times)
        walk = Walk(self._rows, EVER)
        until_ns = LAST_NS
        while missing and until_ns > FIRST_NS:
            # The time in which none of the missing jobs has a row is passed over.
            whole = Window(FIRST_NS, min(until_ns, max(missing.values()) + 1))
            for window, read in newest_first(lambda window: self._between(window, missing), whole):
                until_ns = window.since_ns
                found |= self._best(walk, walk.begun(window, read), accept)
                for job in found.keys() & missing.keys():
                    del missing[job]
                if not missing or max(missing.values()) < until_ns:
                    break
        others = map(record_of, walk.without_start(lambda run: _job(run) in missing))
        return found | _first(run for run in others if self._wants(run) and accept(run))

    def _between(self, window: Window, jobs: Iterable[JobId]) -> ReadRuns:
        return self._rows.between(window, {job.job for job in jobs})

    def _best(self, walk: Walk, begun: Iterable[Run], accept: Accept) -> dict[JobId, RunRecord]:
        """Returns the newest run of each job, of those that began in a window or whose start is not known."""
        best = _first(run for run in map(record_of, begun) if self._wants(run) and accept(run))
        later = walk.without_start(
            lambda run: (known := best.get(_job(run))) is not None and counts_ns(run) >= started_ns(known)
        )
        return _first([*best.values(), *(run for run in map(record_of, later) if accept(run))])


def _first(runs: Iterable[RunRecord]) -> dict[JobId, RunRecord]:
    """Returns the newest run of each job."""
    found: dict[JobId, RunRecord] = {}
    for run in sorted(runs, key=oldest, reverse=True):
        found.setdefault(job_of(run), run)
    return found


def _job(run: Run) -> JobId:
    return JobId(run.key.job, run.key.project or "", run.key.stage or "")


def _latest(rows: Iterable[Point]) -> dict[JobId, int]:
    """Returns the time of each job's last row."""
    found: dict[JobId, int] = {}
    for row in rows:
        job = JobId(*(row.tags.get(tag, "") for tag in (names.TAG_JOB, names.TAG_PROJECT, names.TAG_STAGE)))
        found[job] = max(found.get(job, FIRST_NS), row.time_ns or 0)
    return found
