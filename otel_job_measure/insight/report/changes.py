"""What changed from one period to the next: jobs that fail more, are slower, are new, or are gone."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.run_store import Summary
from otel_job_measure.insight.tally import nothing_of

FAILING_MORE: Final = "failing more"
SLOWER: Final = "slower"
NEW: Final = "new"
GONE: Final = "gone"
KINDS: Final = (FAILING_MORE, SLOWER, NEW, GONE)
"""In the order in which people should look at them."""

_LEAST_RATIO: Final = 1.25
_LEAST_RUNS: Final = 5
"""A median of fewer runs says nothing."""
_LEAST_FAILURES: Final = 2
_DEVIATIONS: Final = 1.7
"""A share of failures that rises by less is chance: about one of twenty jobs that did not change does so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that changed.

    Args:
        kind: One of `KINDS`.
        job: The job.
        before: Its runs of the period before.
        now: Its runs of the period.
    """

    kind: str
    job: JobId
    before: Summary
    now: Summary

    @property
    def ratio(self) -> float | None:
        """How many times as long the median is as before; None if one of them is unknown or 0."""
        return self.now.p50_s / self.before.p50_s if self.now.p50_s and self.before.p50_s else None


def changes(before: Iterable[Summary], now: Iterable[Summary]) -> list[Change]:
    """Returns what changed, the kinds in their order, and within a kind what changed most first.

    Args:
        before: The jobs with runs in the period before.
        now: Those with runs in the period.
    """
    earlier, later = {each.job: each for each in before}, {each.job: each for each in now}
    found: list[Change] = []
    for job in sorted(earlier.keys() | later.keys()):
        first, second = earlier.get(job, nothing_of(job)), later.get(job, nothing_of(job))
        found += [Change(kind=kind, job=job, before=first, now=second) for kind in _kinds(first, second)]
    return sorted(found, key=lambda each: (KINDS.index(each.kind), -_size(each)))


def _kinds(before: Summary, now: Summary) -> Sequence[str]:
    if not before.runs:
        return [NEW] if now.runs else []
    if not now.runs:
        return [GONE]
    return [kind for kind, holds in ((FAILING_MORE, _fails_more), (SLOWER, _is_slower)) if holds(before, now)]


def counted(summary: Summary) -> int:
    """Returns how many runs of a summary count as a success or a failure."""
    if summary.success is None:
        return 0
    return round(summary.ended / summary.success) if summary.ended and summary.success else summary.failed


def _fails_more(before: Summary, now: Summary) -> bool:
    """Returns whether more of the runs that count failed, and more than by chance."""
    earlier, later = counted(before), counted(now)
    if not earlier or not later:
        return False
    first, second = 1 - before.ended / earlier, 1 - now.ended / later
    both = 1 - (before.ended + now.ended) / (earlier + later)
    deviation = math.sqrt(both * (1 - both) * (1 / earlier + 1 / later))
    is_more = second > first and later - now.ended >= _LEAST_FAILURES
    return is_more and second - first >= _DEVIATIONS * deviation


def _is_slower(before: Summary, now: Summary) -> bool:
    if min(before.ended, now.ended) < _LEAST_RUNS or before.p50_s is None or now.p50_s is None:
        return False
    return now.p50_s >= _LEAST_RATIO * before.p50_s > 0


def _size(change: Change) -> float:
    if change.kind == FAILING_MORE:
        return 1 - (change.now.success or 0.0)
    return (change.ratio or 0.0) if change.kind == SLOWER else change.now.runs + change.before.runs
