"""A run with what a check looks at: it reads all runs of two days, and a whole record takes ten times as long."""

from collections import deque
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Final, NamedTuple

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import RunRecord


class CheckedRun(NamedTuple):
    """A run as a check looks at it: a mark, and more; None means unknown. The names are those of `RunRecord`."""

    uuid: str
    started_ns: int | None
    ended_ns: int | None
    status: str
    reason: str | None
    duration_s: float | None
    host: str | None
    attempt: int | None
    lag_s: float | None
    trigger: str | None
    task_id: str | None
    error_type: str | None


AnyRun = RunRecord | CheckedRun
"""A run as a check may get it."""
_values_of: Final = attrgetter(*CheckedRun._fields)


def checked_run_of(run: RunRecord) -> CheckedRun:
    """Returns what a check looks at of a run."""
    return CheckedRun._make(_values_of(run))


def latest_of(runs: Iterable[RunRecord], most: Callable[[JobId], int]) -> dict[JobId, list[CheckedRun]]:
    """Returns the latest runs of each job, the oldest first.

    Args:
        runs: Runs in the order of their starts.
        most: How many of a job at most.
    """
    found: dict[JobId, deque[CheckedRun]] = {}
    for run in runs:
        job = run.job_id
        if job not in found:
            found[job] = deque(maxlen=most(job))
        found[job].append(checked_run_of(run))
    return {job: list(found[job]) for job in sorted(found) if found[job]}
