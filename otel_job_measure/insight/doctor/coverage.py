"""Coverage: which jobs are expected, which were seen, and which are measured."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from otel_job_measure.errors import HistoryError, StoreError
from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.expectations.precedence import effective, joined
from otel_job_measure.history.last_runs import last_runs
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.doctor import past
from otel_job_measure.insight.doctor.finding import WARNING, Budget, Finding, number
from otel_job_measure.insight.doctor.server import Asked
from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.insight.run_store import Wanted
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.settings import Settings

_NEW_NS: Final = 3600 * 10**9
_MOST_NAMED: Final = 5
_MOST_NAME: Final = 60


def examined(local: Settings, asked: Asked | None, budget: Budget, now_ns: int) -> Iterator[Finding]:
    """Yields what is expected, what was seen, and what is missing of either.

    Args:
        local: Settings with the state directory.
        asked: The server, if it may be read.
        budget: How much time is left.
        now_ns: The time.
    """
    said: list[ExpectedJob] = [] if local.in_memory else ExpectedStore(local.state_path).jobs()
    runs: dict[JobId, list[RunRecord]] = {}
    unread: list[str] = []
    try:
        for job, its in _seen_here(local, budget, now_ns):
            runs.setdefault(job, []).extend(its)
    except HistoryError:
        unread.append("the history")
    if asked is not None:
        try:
            store = InfluxStore(asked.connection_settings())
            said += store.expectations()
            for last in store.last_runs(Wanted()):
                runs.setdefault(last.job, []).extend(run for run in (last.run, last.success) if run is not None)
        except StoreError:
            unread.append("InfluxDB")
    expected = [job for job in effective(joined(said)) if job.retired_ns is None and not job.expectation.is_empty]
    yield from _told(expected, runs, unread, now_ns)


def _told(
    expected: Sequence[ExpectedJob], runs: dict[JobId, list[RunRecord]], unread: Sequence[str], now_ns: int
) -> Iterator[Finding]:
    wanted = {job.job for job in expected}
    seen = wanted & runs.keys()
    measured = {job for job, its in runs.items() if any(run.duration_s is not None for run in its)}
    never = sorted(job.job for job in expected if job.job not in runs and now_ns - job.first_seen_ns > _NEW_NS)
    unexpected = sorted(runs.keys() - wanted)
    lacks = f" Not all is known: {' and '.join(unread)} could not be read." if unread else ""
    text = f"{number(len(wanted), 'job')} expected, {len(seen)} of them seen;"
    text += f" {len(runs)} seen in all, {len(measured)} with a measured run."
    if not wanted and not runs:
        text = "No job is known." if unread else "No job is expected, and none was seen yet."
    facts = {"expected": len(wanted), "expected_and_seen": len(seen), "seen": len(runs), "measured": len(measured)}
    yield Finding(check="coverage.jobs", text=text + lacks, facts=facts)
    if never and not unread:
        yield Finding(
            check="coverage.never",
            level=WARNING,
            text=f"Expected and never seen: {_named(never)}.",
            advice="see that these jobs run by a measured way; `otel-job-measure forget JOB` if one is gone",
            facts={"jobs": _ids(never)},
        )
    if unexpected:
        yield Finding(
            check="coverage.unexpected",
            text=f"Seen without an expectation, so nobody is told if they do not run: {_named(unexpected)}.",
            advice="say when they are due: docs/expectations.md",
            facts={"jobs": _ids(unexpected)},
        )


def _seen_here(local: Settings, budget: Budget, now_ns: int) -> Iterator[tuple[JobId, list[RunRecord]]]:
    path = past.path_of(local)
    if path is None:
        return
    with past.opened(path, budget) as (connection, found):
        if found.version != found.newest:
            return
        for last in last_runs(connection, Wanted(), now_ns):
            yield JobId(*last.job), [run for run in (last.run, last.success) if run is not None]


def _named(jobs: Sequence[JobId]) -> str:
    shown = ", ".join(_short(job) for job in jobs[:_MOST_NAMED])
    more = len(jobs) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _short(job: JobId) -> str:
    where = "/".join(part for part in (job.project, job.stage) if part)
    name = f"{job.job} ({where})" if where else job.job
    return name if len(name) <= _MOST_NAME else f"{name[:_MOST_NAME]}…"


def _ids(jobs: Iterable[JobId]) -> list[dict[str, str]]:
    return [job._asdict() for job in list(jobs)[:1000]]
