"""What is known of a run comes together the same way whatever the order of arrival."""

import itertools

import pytest

from otel_job_measure.history.run_record import OLD_ROW, RUN_ROW, Ending, Key, Run

KEY = Key("nightly", None, None, None, "{}")
OLD_LOST = Ending(20, OLD_ROW, "failed")
LOST = Ending(20, RUN_ROW, "failed", "lost", host="host-1")
OLD_END = Ending(30, OLD_ROW, "end")
END = Ending(30, RUN_ROW, "end", duration_s=2.0, host="host-1")
OLD_FAILED = Ending(30, OLD_ROW, "failed")
FAILED = Ending(30, RUN_ROW, "failed", "error", duration_s=2.0, host="host-1", error_type="ValueError")


def known(endings: tuple[Ending, ...]) -> tuple[Ending | None, Ending | None]:
    """Returns the ending that counts and the beaten one, after these have come in this order."""
    run = Run(KEY, "x")
    for ending in endings:
        run.end(ending)
    return run.ending, run.beaten


@pytest.mark.parametrize(
    ("endings", "expected"),
    [
        ((OLD_END, END), (END._replace(rows=3), None)),
        ((OLD_LOST, LOST), (LOST._replace(rows=3), None)),
        ((LOST, END), (END, LOST)),
        ((LOST, FAILED), (FAILED, LOST)),
        ((OLD_LOST, LOST, OLD_END, END), (END._replace(rows=3), LOST._replace(rows=3))),
        ((OLD_LOST, LOST, OLD_FAILED), (OLD_FAILED, LOST._replace(rows=3))),
        ((OLD_LOST, OLD_END), (OLD_END, OLD_LOST)),
        ((OLD_LOST, OLD_FAILED), (OLD_FAILED, OLD_LOST)),
        ((OLD_LOST, FAILED), (FAILED, OLD_LOST)),
    ],
)
def test_the_order_of_arrival_means_nothing(
    endings: tuple[Ending, ...], expected: tuple[Ending, Ending | None]
) -> None:
    """A real ending beats `lost`, the beaten one is kept, and rows that come again change nothing."""
    for order in itertools.permutations(endings):
        assert known(order) == expected, order
        assert known(order + endings) == expected, order


def test_one_knows_all_that_two_know() -> None:
    """Two halves of a run, read in different places, make a whole one."""
    one, other = Run(KEY, "x"), Run(KEY, "x")
    one.start(10)
    one.end(LOST)
    other.start(10)
    other.end(END)
    one.take(other)
    assert (one.started_ns, one.ending, one.beaten) == (10, END, LOST)
    one.take(Run(KEY, "x"))
    assert (one.started_ns, one.ending, one.beaten) == (10, END, LOST)


@pytest.mark.parametrize("starts", [(10, 12), (12, 10)])
def test_of_two_starts_the_first_counts(starts: tuple[int, int]) -> None:
    """Nobody writes two starts, and if somebody did the order of arrival would still mean nothing."""
    run = Run(KEY, "x")
    for start in starts:
        run.start(start)
    assert run.started_ns == 10


@pytest.mark.parametrize(
    ("ending", "settled"),
    [(END, True), (FAILED, True), (OLD_END, True), (LOST, False), (OLD_FAILED, False)],
)
def test_a_run_is_settled_when_its_ending_cannot_be_a_guess(ending: Ending, settled: bool) -> None:  # noqa: FBT001 - a case
    """The old row of a lost run looks like that of any failure, so it settles nothing."""
    run = Run(KEY, "x")
    run.end(ending)
    assert not run.settled
    run.start(10)
    assert run.settled is settled
