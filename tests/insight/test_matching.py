import random
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.expectations.dues import Due
from otel_job_measure.expectations.expectation import Skip
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.matching import Settled, early_ns, match
from otel_job_measure.points.monitor import Event

from .made import DAY, HOUR, JOB, at, due, run


def _uuids(settled: Sequence[Settled]) -> list[str | None]:
    return [None if each.run is None else each.run.uuid for each in settled]


@pytest.mark.parametrize(
    ("start", "matches"),
    [(-60.001, False), (-60.0, True), (0.0, True), (360.0, True), (360.001, False)],
)
def test_a_start_matches_from_a_minute_early_to_the_end_of_the_grace(start: float, *, matches: bool) -> None:
    """Both ends of the window belong to it."""
    assert _uuids(match([due(0)], [run(start, uuid="x")])) == ["x" if matches else None]


@pytest.mark.parametrize(("start", "matches"), [(-15.001, False), (-15.0, True)])
def test_the_window_of_a_short_gap_begins_a_quarter_of_it_early(start: float, *, matches: bool) -> None:
    """A job of each minute may start at most 15 s early."""
    assert _uuids(match([due(0, gap_s=60)], [run(start, uuid="x")])) == ["x" if matches else None]


@pytest.mark.parametrize(
    "values",
    [{"trigger": "manual"}, {"attempt": 2}, {"trigger": "retry"}, {"trigger": "manual", "lag_s": 1.0}],
)
def test_manual_runs_and_retries_match_nothing(values: dict[str, Any]) -> None:
    """A run by hand says nothing about the schedule, and a retry belongs to its first attempt."""
    assert _uuids(match([due(0)], [run(1, 2, **values)])) == [None]


@pytest.mark.parametrize("values", [{"attempt": 1}, {"trigger": "schedule"}, {"trigger": "message"}, {}])
def test_first_attempts_match(values: dict[str, Any]) -> None:
    """Schedulers say what they know, and cron says nothing."""
    assert _uuids(match([due(0)], [run(1, 2, uuid="x", **values)])) == ["x"]


def test_a_known_lag_says_the_due_time() -> None:
    """A run that a scheduler made up for five hours later matches its own due time, not a nearer one."""
    late = run(5 * HOUR, uuid="late", lag_s=5 * HOUR)
    own = run(5 * HOUR + 1, uuid="own", lag_s=1.0)
    settled = match([due(0), due(5 * HOUR)], [late, own])
    assert _uuids(settled) == ["late", "own"]
    assert [each.in_time for each in settled] == [False, True]


def test_a_known_lag_beats_an_older_run_in_the_same_window() -> None:
    """The run that the scheduler started for the due time takes it; a stray one before it matches nothing."""
    assert _uuids(match([due(0)], [run(1, uuid="stray"), run(2, uuid="own", lag_s=2.0)])) == ["own"]


def test_a_lag_with_jitter_matches_in_the_window() -> None:
    """A scheduler's jitter moves its own scheduled time by more than a minute."""
    assert _uuids(match([due(0)], [run(200, uuid="x", lag_s=0.5)])) == ["x"]


def test_the_oldest_due_time_takes_the_oldest_run() -> None:
    """Windows overlap if the grace is longer than the gap: no run counts twice."""
    dues = [due(each * 300, grace_s=HOUR, gap_s=300) for each in range(4)]
    settled = match(dues, [run(910, uuid="b"), run(905, uuid="a"), run(1210, uuid="c")])
    assert _uuids(settled) == ["a", "b", "c", None]


def test_a_second_run_in_a_window_matches_nothing() -> None:
    """A due time takes one run, and the next one has to come by itself."""
    assert _uuids(match([due(0), due(HOUR)], [run(1, uuid="a"), run(2, uuid="b")])) == ["a", None]


@pytest.mark.parametrize(
    ("before", "skips"),
    [
        (run(-HOUR, 1), True),
        (run(-HOUR, 0), False),
        (run(-HOUR, -1), False),
        (run(-HOUR), True),
        (run(-HOUR, uuid="dead"), False),
        (run(-HOUR, 1, trigger="manual"), True),
        (run(-HOUR, 5, reason="lost"), True),
    ],
)
def test_a_live_run_across_the_due_time_settles_it(before: RunRecord, *, skips: bool) -> None:
    """A scheduler that allows one run at a time starts no second one; a dead run holds up nothing."""
    (settled,) = match([due(0)], [before], live_until_ns={"u-3600.0": at(10)})
    assert bool(settled.skipped) is skips


def test_a_start_counts_more_than_a_run_across() -> None:
    """Cron starts the next run whether or not the last one has ended."""
    settled = match([due(0)], [run(-HOUR, 10), run(1, uuid="x")])
    assert _uuids(settled) == ["x"]
    assert not settled[0].skipped


@pytest.mark.parametrize(("seconds", "skips"), [(-61.0, False), (-5.0, True), (0.0, True), (60.0, True), (61.0, False)])
def test_a_scheduler_says_that_it_skipped(seconds: float, *, skips: bool) -> None:
    """Its word counts for the due time that it names, or is stamped with."""
    said = Event(job=JOB, event="skipped", at_ns=at(seconds), detail="one run at a time")
    (settled,) = match([due(0)], [], [said])
    assert settled.skipped == ("one run at a time" if skips else "")


def test_a_skip_settles_a_due_time() -> None:
    """Its reason is kept; a run that comes all the same counts as a run."""
    skip = Skip(at(-1), at(HOUR), "holidays")
    assert match([due(0, skip=skip)], [])[0].skipped == "holidays"
    assert match([due(0, skip=Skip(at(-1), at(1)))], [])[0].skipped == "skipped"
    assert _uuids(match([due(0, skip=skip)], [run(3, uuid="x")])) == ["x"]


_seconds = st.integers(0, 20_000).map(lambda tenths: tenths / 10)


@st.composite
def _runs(draw: st.DrawFn) -> list[RunRecord]:
    starts = draw(st.lists(_seconds, max_size=25))
    return [
        run(
            start,
            start + draw(st.sampled_from([1.0, 90.0, 700.0])),
            uuid=f"r{number}",
            lag_s=draw(st.sampled_from([None, None, 0.5, 300.0])),
            trigger=draw(st.sampled_from([None, None, "schedule", "manual"])),
            attempt=draw(st.sampled_from([None, 1, 2])),
        )
        for number, start in enumerate(starts)
    ]


@st.composite
def _dues(draw: st.DrawFn) -> list[Due]:
    gap_s = draw(st.sampled_from([60.0, 300.0, 600.0]))
    grace_s = draw(st.sampled_from([60.0, 200.0, 700.0]))
    missing = draw(st.sets(st.integers(0, 33), max_size=5))
    return [due(each * gap_s, grace_s, gap_s) for each in range(int(2000 / gap_s)) if each not in missing]


@given(_dues(), _runs(), st.randoms(use_true_random=False))
def test_matching_is_one_to_one_in_any_order(dues: list[Due], runs: list[RunRecord], chance: random.Random) -> None:
    """No run settles two due times, each is in its window, and the order of the rows changes nothing."""
    settled = match(dues, runs)
    used = [uuid for uuid in _uuids(settled) if uuid is not None]
    assert len(used) == len(set(used))
    assert [each.due for each in settled] == dues
    for each in settled:
        if each.run is not None and each.run.lag_s is None:
            assert -early_ns(each.due) <= (each.run.started_ns or 0) - each.due.at_ns <= each.due.grace_s * 1e9
    shuffled = list(runs)
    chance.shuffle(shuffled)
    assert match(dues, shuffled) == settled


@given(_dues(), _runs(), st.integers(0, 2000))
def test_more_runs_take_no_match_away(dues: list[Due], runs: list[RunRecord], until: int) -> None:
    """A due time that has a run keeps one when later rows come, and so when a checker judges it again."""
    known = [each for each in runs if (each.started_ns or 0) <= at(until)]
    had = {each.due.at_ns for each in match(dues, known) if each.run is not None}
    assert had <= {each.due.at_ns for each in match(dues, runs) if each.run is not None}


@given(_dues(), _runs())
def test_later_due_times_change_no_earlier_match(dues: list[Due], runs: list[RunRecord]) -> None:
    """The answer for a due time does not depend on how far a checker looks ahead, if no lag is known."""
    plain = [each for each in runs if each.lag_s is None]
    settled = match(dues, plain)
    for length in range(0, len(dues), 3):
        assert match(dues[:length], plain) == settled[:length]


def _lines_of(step: Callable[[], object]) -> int:
    """Returns how many lines of Python a step executes."""
    count = 0

    def each_line(_frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401 - itself
        nonlocal count
        count += event == "line"
        return each_line

    before = sys.gettrace()
    sys.settrace(each_line)
    try:
        step()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("grace_s", [60.0, 10 * DAY])
@pytest.mark.parametrize("every", [1, 2, 100])
def test_matching_takes_steps_in_proportion_to_its_input(grace_s: float, every: int) -> None:
    """Ten times as many due times and runs take ten times as many steps, however long the windows are."""
    lines: list[int] = []
    for count in (300, 3000):
        dues = [due(each * 300, grace_s, 300) for each in range(count)]
        runs = [run(each * 300 + 1, each * 300 + 2) for each in range(0, count, every)]
        lines.append(_lines_of(partial(match, dues, runs)))
    assert lines[1] <= 11 * lines[0]
