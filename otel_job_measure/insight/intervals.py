"""The due times of a job with `every`: each is the previous scheduled start plus the interval."""

from collections.abc import Iterable, Sequence
from typing import Final

from otel_job_measure.expectations.dues import MOST, Due, due_after_start
from otel_job_measure.expectations.expectation import ExpectedJob
from otel_job_measure.history.checked_run import AnyRun
from otel_job_measure.insight.matching import NS, deadline_ns, early_ns, is_scheduled, scheduled_ns

_NEVER: Final = 2**63


def interval_dues(job: ExpectedJob, runs: Iterable[AnyRun], after_ns: int, until_ns: int) -> list[Due]:
    """Returns the due times of a job after one time and up to another, at most the first `MOST`.

    A run before its due time, as after a restart, makes the next one due an interval later. A missed due time counts
    as a start.

    Args:
        job: A job; versions without `every` have no due times here.
        runs: Its runs; the due times after `after_ns` depend on the last one before it.
        after_ns: In ns since 1970.
        until_ns: In ns since 1970.
    """
    if all(version.expectation.every_s is None for version in job.versions):
        return []
    starts = sorted(scheduled_ns(run) for run in runs if is_scheduled(run))
    changes = sorted({max(version.since_ns, job.first_seen_ns) for version in job.versions})
    found: list[Due] = []
    at_ns, last_ns, run = changes[0], None, 0
    while len(found) < MOST:
        due = due_after_start(job, last_ns, at_ns)
        before_ns = until_ns + 1 if due is None else due.at_ns - early_ns(due)
        if run < len(starts) and starts[run] < before_ns and (due is not None or starts[run] < _next(changes, at_ns)):
            last_ns, at_ns, run = starts[run], max(at_ns, starts[run]), run + 1
            continue
        if due is None:
            at_ns = _next(changes, at_ns)
            if at_ns > until_ns:
                break
            continue
        if due.at_ns > until_ns:
            break
        if due.at_ns > after_ns:
            found.append(due)
        if run < len(starts) and starts[run] <= deadline_ns(due):
            last_ns, run = starts[run], run + 1
        else:
            limit_ns = min(after_ns, _next(changes, at_ns), starts[run] if run < len(starts) else _NEVER)
            last_ns = _later(due, limit_ns)
        at_ns = max(at_ns, last_ns)
    return found


def _next(changes: Sequence[int], at_ns: int) -> int:
    """Returns when the next version begins."""
    return next((since_ns for since_ns in changes if since_ns > at_ns), _NEVER)


def _later(due: Due, limit_ns: int) -> int:
    """Returns the last due time before a limit if nothing happens until then, at least the given one."""
    every_ns = int(due.gap_s * NS)
    return due.at_ns + max(0, (limit_ns - due.at_ns) // every_ns - 1) * every_ns
