"""When a job is due next, of all that is expected of it."""

from collections.abc import Iterable
from typing import Final

from otel_job_measure.expectations.dues import due_after_start, dues, in_force
from otel_job_measure.expectations.expectation import ExpectedJob
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.matching import NS, is_scheduled, scheduled_ns

_SPANS_NS: Final = tuple(hours * 3600 * NS for hours in (1, 24, 40 * 24, 400 * 24))
"""A job of each minute is not asked for all due times of a year."""


def next_due_ns(expected: Iterable[ExpectedJob], last: RunRecord | None, now_ns: int) -> int | None:
    """Returns the next due time that no skip covers; None if none is known.

    Args:
        expected: What is expected of the job: one, or one for each host.
        last: The job's last run, from which an interval counts.
        now_ns: The time.
    """
    found = (_next_of(each, last, now_ns) for each in expected if in_force(each, now_ns) is not None)
    return min((due_ns for due_ns in found if due_ns is not None), default=None)


def _next_of(expected: ExpectedJob, last: RunRecord | None, now_ns: int) -> int | None:
    if expected.expectation.every_s is not None:
        start_ns = scheduled_ns(last) if last is not None and is_scheduled(last) else None
        due = due_after_start(expected, start_ns, now_ns)
        if due is None:
            return None
        every_ns = max(1, int(expected.expectation.every_s * NS))
        missed = max(0, -(-(now_ns + 1 - due.at_ns) // every_ns))
        return due.at_ns + missed * every_ns
    for span_ns in _SPANS_NS:
        found = (due.at_ns for due in dues(expected, now_ns, now_ns + span_ns).dues if due.skip is None)
        if (first := next(found, None)) is not None:
            return first
    return None
