"""Every question about runs, whatever the store: the local history, or InfluxDB.

The terminal, checks, reports and the page ask nothing else, so that they give one truth. Quantiles are nearest rank,
computed in `quantiles`. Times are nanoseconds since 1970. Methods raise `StoreError` if the store cannot answer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.history.checked_run import CheckedRun
from otel_job_measure.history.mark import Mark
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.history.wanted import ALL as ALL  # noqa: PLC0414 - a part of this interface
from otel_job_measure.history.wanted import Wanted as Wanted  # noqa: PLC0414 - a part of this interface
from otel_job_measure.points.monitor import Event, Sender, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The runs of one job in a time.

    Args:
        job: The job.
        runs: How many runs started.
        ended: How many of them ended well.
        failed: How many failed, whatever the reason.
        running: How many are open.
        success: The mean of `success` over the runs that have one; None if there is none.
        p50_s: The median of the durations, in seconds, nearest rank; None without durations.
        p95_s: Their 95th percentile.
        longest_s: The longest duration.
        last_started_ns: The start of the latest run.
    """

    job: JobId
    runs: int
    ended: int
    failed: int
    running: int
    success: float | None
    p50_s: float | None
    p95_s: float | None
    longest_s: float | None
    last_started_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run that has not ended.

    Args:
        run: The run.
        alive_ns: The last sign of life; None if there was none yet.
        interval_s: How often a sign of life comes; None if there was none yet.
    """

    run: RunRecord
    alive_ns: int | None
    interval_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRuns:
    """A job's last run and last success, which a history keeps whatever the retention.

    Args:
        job: The job.
        run: The last run.
        success: The last run that ended well; None if there was none.
    """

    job: JobId
    run: RunRecord
    success: RunRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCount:
    """How many runs of a job failed in the same way.

    Args:
        job: The job.
        reason: Why; None if only `scheduling-job` was written.
        error_type: The exception's class; None if there was none.
        count: How many.
        last_ns: When the last of them ended.
    """

    job: JobId
    reason: str | None
    error_type: str | None
    count: int
    last_ns: int


class RunStore(Protocol):
    """Answers every question; implemented over the history and over InfluxDB."""

    @property
    def label(self) -> str:
        """What people read: where the answers come from."""
        ...

    def latest(self, wanted: Wanted, limit: int) -> list[RunRecord]:
        """Returns the latest runs, the newest first."""
        ...

    def recent(self, wanted: Wanted, per_job: int) -> dict[JobId, list[Mark]]:
        """Returns the latest runs of each job, at most so many of each, the newest first, in the order of the jobs."""
        ...

    def checked_runs(self, wanted: Wanted, most: Callable[[JobId], int]) -> dict[JobId, list[CheckedRun]]:
        """Returns the latest runs of each job, the oldest first, in the order of the jobs.

        Args:
            wanted: Which runs.
            most: How many runs of a job are returned at most.
        """
        ...

    def count(self, wanted: Wanted) -> int:
        """Returns how many runs there are."""
        ...

    def find(self, uuid_prefix: str, limit: int = 10) -> list[RunRecord]:
        """Returns the runs whose uuid begins so, the newest first."""
        ...

    def summaries(self, wanted: Wanted) -> list[Summary]:
        """Returns a summary of each job, in the order of the jobs."""
        ...

    def open_runs(self, wanted: Wanted) -> list[OpenRun]:
        """Returns the runs that have not ended, the oldest first."""
        ...

    def last_runs(self, wanted: Wanted) -> list[LastRuns]:
        """Returns each job's last run and last success, in the order of the jobs; a history has them for ever."""
        ...

    def keeps_s(self) -> float | None:
        """Returns how long rows are kept, in seconds; None if that is for ever, or cannot be known."""
        ...

    def failures(self, wanted: Wanted) -> list[FailureCount]:
        """Returns how often each job failed in which way, the most frequent first."""
        ...

    def attempts(self, task_id: str) -> list[RunRecord]:
        """Returns the attempts of a task, the first one first."""
        ...

    def starts(self, wanted: Wanted) -> Iterator[RunRecord]:
        """Yields runs in the order of their starts, in bounded memory."""
        ...

    def events(self, since_ns: int, until_ns: int | None = None) -> list[Event]:
        """Returns the events of a time, the oldest first."""
        ...

    def states(self) -> list[State]:
        """Returns the last known state of each job."""
        ...

    def senders(self, since_ns: int) -> list[Sender]:
        """Returns the last word of each host that has sent one since a time, of all its senders together."""
        ...

    def expectations(self) -> Sequence[ExpectedJob]:
        """Returns what should happen, retired ones too."""
        ...
