"""What changed from one period to the next."""

from typing import Any

import pytest

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.report.changes import FAILING_MORE, GONE, NEW, SLOWER, changes, counted
from otel_job_measure.insight.run_store import Summary

JOB = JobId("nightly", "shop", "live")


def of(runs: int, failed: int = 0, p50_s: float | None = 10.0, job: JobId = JOB, **values: Any) -> Summary:  # noqa: ANN401 - of a summary
    """Returns a summary of runs that have all ended and count."""
    given: dict[str, Any] = {"ended": runs - failed, "running": 0, "success": (runs - failed) / runs if runs else None}
    given |= {"p50_s": p50_s, "p95_s": p50_s, "longest_s": p50_s, "last_started_ns": 1} | values
    return Summary(job=job, runs=runs, failed=failed, **given)


def kinds(before: Summary | None, now: Summary | None) -> list[str]:
    """Returns what changed of one job."""
    return [each.kind for each in changes([before] if before else [], [now] if now else [])]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (of(30), of(30), []),
        (None, of(1), [NEW]),
        (of(1), None, [GONE]),
        (of(30, 0), of(30, 1), []),  # one failure is chance
        (of(30, 0), of(30, 3), [FAILING_MORE]),
        (of(30, 5), of(30, 6), []),
        (of(30, 6), of(30, 0), []),
        (of(10_000, 10), of(10_000, 30), [FAILING_MORE]),
        (of(10_000, 100), of(10_000, 110), []),
        (of(2, 2), of(2, 2), []),
        (of(30, p50_s=10), of(30, p50_s=12.4), []),
        (of(30, p50_s=10), of(30, p50_s=12.5), [SLOWER]),
        (of(30, p50_s=12.5), of(30, p50_s=10), []),
        (of(30, p50_s=10), of(4, p50_s=100), []),  # too few
        (of(30, p50_s=0.0), of(30, p50_s=10), []),
        (of(30, p50_s=None), of(30, p50_s=10), []),
        (of(30, 0, 10), of(30, 10, 20), [FAILING_MORE, SLOWER]),
    ],
)
def test_each_kind_of_change(before: Summary | None, now: Summary | None, expected: list[str]) -> None:
    """A change is said if it is more than chance."""
    assert kinds(before, now) == expected


def test_attempts_that_do_not_count_are_no_failures() -> None:
    """Runs that will be retried have no `success`: they are in `failed`, and not in the share."""
    now = of(60, 30, ended=30, success=1.0)
    assert counted(now) == 30
    assert kinds(of(30), now) == []


def test_a_job_of_which_each_run_failed_counts_them() -> None:
    """Without a success, all failures count."""
    assert counted(of(7, 7)) == 7
    assert kinds(of(7), of(7, 7)) == [FAILING_MORE]


def test_kinds_stand_in_their_order_and_the_greatest_change_first() -> None:
    """Failing more comes before slower, and a job that is ten times as slow before one that is twice."""
    names = {name: JobId(name) for name in "abcde"}
    before = [of(30, job=names["a"]), of(30, job=names["b"]), of(30, job=names["c"]), of(30, job=names["d"])]
    now = [
        of(30, p50_s=20, job=names["a"]),
        of(30, p50_s=100, job=names["b"]),
        of(30, 9, job=names["c"]),
        of(5, job=names["e"]),
    ]
    found = [(each.kind, each.job.job) for each in changes(before, now)]
    assert found == [(FAILING_MORE, "c"), (SLOWER, "b"), (SLOWER, "a"), (NEW, "e"), (GONE, "d")]
