"""Runs counted by job, in memory that does not grow with them but for eight bytes of each duration."""

from array import array
from collections.abc import Iterable
from typing import Final

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.quantiles import nearest_rank, nearest_ranks
from otel_job_measure.insight.run_store import FailureCount, Summary

_PERCENTS: Final = (50, 95, 100)


def job_of(run: RunRecord) -> JobId:
    """Returns the job of a run."""
    return run.job_id


def by_job(runs: Iterable[RunRecord]) -> dict[JobId, list[RunRecord]]:
    """Returns the runs of each job in the given order, in the order of the jobs."""
    found: dict[JobId, list[RunRecord]] = {}
    for run in runs:
        found.setdefault(run.job_id, []).append(run)
    return dict(sorted(found.items()))


class Tally:
    """The runs of one job."""

    __slots__ = ("durations", "ended", "is_in_order", "last_ns", "running", "runs", "votes")

    def __init__(self) -> None:
        self.runs = self.ended = self.running = self.votes = 0
        self.durations = array("d")
        self.is_in_order = False
        self.last_ns: int | None = None

    def started(self, at_ns: int | None) -> None:
        """Takes a start."""
        if at_ns is not None and (self.last_ns is None or at_ns > self.last_ns):
            self.last_ns = at_ns

    def take(self, durations: "array[float]") -> None:
        """Takes durations that are in ascending order."""
        if durations:
            self.is_in_order = not self.durations
            self.durations.extend(durations)

    def summary(self, job: JobId) -> Summary:
        """Returns what the runs of a job come to."""
        if self.is_in_order:
            p50_s, p95_s, longest_s = (nearest_rank(self.durations, percent) for percent in _PERCENTS)
        else:
            p50_s, p95_s, longest_s = nearest_ranks(self.durations, _PERCENTS)
        return Summary(
            job=job,
            runs=self.runs,
            ended=self.ended,
            failed=self.runs - self.ended - self.running,
            running=self.running,
            success=self.ended / self.votes if self.votes else None,
            p50_s=p50_s,
            p95_s=p95_s,
            longest_s=longest_s,
            last_started_ns=self.last_ns,
        )


def nothing_of(job: JobId) -> Summary:
    """Returns the summary of a job without runs."""
    return Tally().summary(job)


def summaries(runs: Iterable[RunRecord]) -> list[Summary]:
    """Returns a summary of each job, in the order of the jobs."""
    tallies: dict[JobId, Tally] = {}
    for run in runs:
        tally = tallies.setdefault(run.job_id, Tally())
        tally.runs += 1
        tally.ended += run.status == names.STATUS_END
        tally.running += run.status == RUNNING
        tally.votes += run.status != RUNNING and run.reason not in names.UNCOUNTED_REASONS
        if run.duration_s is not None:
            tally.durations.append(run.duration_s)
        tally.started(run.started_ns)
    return [tallies[job].summary(job) for job in sorted(tallies)]


def failures(runs: Iterable[RunRecord]) -> list[FailureCount]:
    """Returns how often each job failed in which way, the most frequent first."""
    return added(
        (run.job_id, run.reason, run.error_type, 1, run.ended_ns)
        for run in runs
        if run.status == names.STATUS_FAILED and run.ended_ns is not None
    )


def added(counts: Iterable[tuple[JobId, str | None, str | None, int, int]]) -> list[FailureCount]:
    """Returns failures added up, the most frequent first.

    Args:
        counts: A job, a reason, an error type, how many runs failed in that way, and when the last of them ended.
    """
    found: dict[tuple[JobId, str | None, str | None], tuple[int, int]] = {}
    for job, reason, error_type, count, last_ns in counts:
        way = job, reason, error_type
        known = found.get(way)
        found[way] = (count, last_ns) if known is None else (known[0] + count, max(known[1], last_ns))
    ways = sorted(found.items(), key=lambda item: (-item[1][0], item[0][0], item[0][1] or "", item[0][2] or ""))
    return [
        FailureCount(job=job, reason=reason, error_type=error_type, count=count, last_ns=last_ns)
        for (job, reason, error_type), (count, last_ns) in ways
    ]
