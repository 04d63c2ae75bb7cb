"""What is known of a run comes together the same way whatever the order of arrival."""

import itertools

import pytest

from otel_job_measure.history.run_record import FAILED_SOMEHOW, OLD_ROW, RUN_ROW, Key, Known, Run, RunRecord
from otel_job_measure.points.line_protocol import lines, parse
from otel_job_measure.points.outcome import ENDED, Ending, Outcome
from otel_job_measure.points.tags import DefaultTags
from tests.history.support import FAILED as FAILURE
from tests.history.support import LOST as LOST_OUTCOME
from tests.history.support import NOW_NS, SECOND, Lines

KEY = Key("nightly", None, None, None, "{}")


def known(end_ns: int, rows: int, outcome: Outcome, duration_s: float | None = None) -> Known:
    """An ending of which some rows are known."""
    return Known(Ending("x", outcome, end_ns, duration_s), rows)


OLD_LOST = known(20, OLD_ROW, FAILED_SOMEHOW)
LOST = known(20, RUN_ROW, Outcome(reason="lost"))
OLD_END = known(30, OLD_ROW, ENDED)
END = known(30, RUN_ROW, ENDED, duration_s=2.0)
OLD_FAILED = known(30, OLD_ROW, FAILED_SOMEHOW)
FAILED = known(30, RUN_ROW, Outcome(reason="error", error_type="ValueError"), duration_s=2.0)
TIMEOUT = known(40, RUN_ROW, Outcome(reason="timeout"))


def both(one: Known) -> Known:
    """The same ending with both rows known."""
    return one._replace(rows=OLD_ROW | RUN_ROW)


@pytest.mark.parametrize(
    ("endings", "expected"),
    [
        ((OLD_END, END), [both(END)]),
        ((OLD_LOST, LOST), [both(LOST)]),
        ((LOST, END), [END, LOST]),
        ((LOST, FAILED), [FAILED, LOST]),
        ((OLD_LOST, LOST, OLD_END, END), [both(END), both(LOST)]),
        ((OLD_LOST, LOST, OLD_FAILED), [OLD_FAILED, both(LOST)]),
        ((OLD_LOST, OLD_END), [OLD_END, OLD_LOST]),
        ((OLD_LOST, OLD_FAILED), [OLD_FAILED, OLD_LOST]),
        ((OLD_LOST, FAILED), [FAILED, OLD_LOST]),
        ((END, TIMEOUT), [END, TIMEOUT]),
        ((FAILED, TIMEOUT), [TIMEOUT, FAILED]),
    ],
)
def test_the_order_of_arrival_means_nothing(endings: tuple[Known, ...], expected: list[Known]) -> None:
    """A real ending beats `lost`, the beaten one is kept, and rows that come again change nothing."""
    for order in itertools.permutations(endings):
        for arrived in (order, order + endings):
            run = Run("x", KEY)
            for each in arrived:
                run.end(each.ending, each.rows)
            assert run.ranked() == expected, arrived


def test_one_knows_all_that_two_know() -> None:
    """Two halves of a run, read in different places, make a whole one."""
    one, other = Run("x", KEY), Run("x", KEY)
    one.start(10, "host-1")
    one.end(LOST.ending, LOST.rows)
    other.start(10)
    other.end(END.ending, END.rows)
    other.take(one)
    other.take(Run("x", KEY))
    assert (other.started_ns, other.host, other.ranked()) == (10, "host-1", [END, LOST])


@pytest.mark.parametrize("starts", [(10, 12), (12, 10)])
def test_of_two_starts_the_first_counts(starts: tuple[int, int]) -> None:
    """No process writes two starts; if one did, the order of arrival would still mean nothing."""
    run = Run("x", KEY)
    for start in starts:
        run.start(start)
    assert run.started_ns == 10


@pytest.mark.parametrize(
    ("ending", "settled"),
    [(END, True), (FAILED, True), (OLD_END, True), (LOST, False), (OLD_FAILED, False)],
)
def test_a_run_is_settled_when_its_ending_cannot_be_a_guess(ending: Known, settled: bool) -> None:  # noqa: FBT001 - a case
    """The old row of a lost run looks like that of any failure, so it settles nothing."""
    run = Run("x", KEY)
    run.end(ending.ending, ending.rows)
    assert not run.settled
    run.start(10)
    assert run.settled is settled


def test_points_become_records() -> None:
    """Points of several runs, in any order, are one record each, in the order of their first points."""
    tags = DefaultTags(project="shop", more=(("host.name", "web-1"),))
    lost, failed, running = Lines(uuid="lost"), Lines(uuid="failed", tags=tags), Lines(uuid="running")
    data = (
        lost.start() + running.start() + failed.end(outcome=FAILURE) + failed.start() + lost.end(outcome=LOST_OUTCOME)
    )
    found = RunRecord.from_points(parse(line) for line in lines(data))
    assert [(run.uuid, run.status, run.reason, run.duration_s) for run in found] == [
        ("lost", "failed", "lost", None),
        ("running", "running", None, None),
        ("failed", "failed", "error", 0.75),
    ]
    assert (found[2].project, found[2].tags, found[2].error_type) == ("shop", {"host.name": "web-1"}, "ValueError")
    assert (found[2].started_ns, found[2].ended_ns, found[2].host) == (NOW_NS, NOW_NS + SECOND, "host-1")
