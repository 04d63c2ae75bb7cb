"""Runs counted by job, in memory that does not grow with them but for eight bytes of each duration."""

from array import array
from collections.abc import Iterable

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.quantiles import nearest_rank
from otel_job_measure.insight.run_store import FailureCount, Summary


def job_of(run: RunRecord) -> JobId:
    """Returns the job of a run."""
    return JobId(run.job, run.project or "", run.stage or "")


class _Tally:
    """The runs of one job."""

    __slots__ = ("durations", "ended", "last_ns", "running", "runs", "votes")

    def __init__(self) -> None:
        self.runs = self.ended = self.running = self.votes = 0
        self.durations = array("d")
        self.last_ns: int | None = None


def summaries(runs: Iterable[RunRecord]) -> list[Summary]:
    """Returns a summary of each job, in the order of the jobs."""
    tallies: dict[JobId, _Tally] = {}
    for run in runs:
        tally = tallies.setdefault(job_of(run), _Tally())
        tally.runs += 1
        tally.ended += run.status == names.STATUS_END
        tally.running += run.status == RUNNING
        tally.votes += run.status != RUNNING and run.reason not in names.UNCOUNTED_REASONS
        if run.duration_s is not None:
            tally.durations.append(run.duration_s)
        if run.started_ns is not None:
            tally.last_ns = run.started_ns if tally.last_ns is None else max(tally.last_ns, run.started_ns)
    return [_summary(job, tallies[job]) for job in sorted(tallies)]


def _summary(job: JobId, tally: _Tally) -> Summary:
    durations = sorted(tally.durations)
    return Summary(
        job=job,
        runs=tally.runs,
        ended=tally.ended,
        failed=tally.runs - tally.ended - tally.running,
        running=tally.running,
        success=tally.ended / tally.votes if tally.votes else None,
        p50_s=nearest_rank(durations, 50),
        p95_s=nearest_rank(durations, 95),
        longest_s=durations[-1] if durations else None,
        last_started_ns=tally.last_ns,
    )


def failures(runs: Iterable[RunRecord]) -> list[FailureCount]:
    """Returns how often each job failed in which way, the most frequent first."""
    found: dict[tuple[JobId, str | None, str | None], tuple[int, int]] = {}
    for run in runs:
        if run.status == names.STATUS_FAILED and run.ended_ns is not None:
            way = job_of(run), run.reason, run.error_type
            count, last_ns = found.get(way, (0, run.ended_ns))
            found[way] = count + 1, max(last_ns, run.ended_ns)
    counts = [
        FailureCount(job=job, reason=reason, error_type=error_type, count=count, last_ns=last_ns)
        for (job, reason, error_type), (count, last_ns) in found.items()
    ]
    return sorted(counts, key=lambda each: (-each.count, each.job, each.reason or "", each.error_type or ""))
