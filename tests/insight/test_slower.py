import math
import random

import pytest

from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.slower import LAST, LEAST, slower

from .made import HOUR, run


def _runs(*took_s: float, reason: str | None = None) -> list[RunRecord]:
    return [run(each * HOUR, each * HOUR + took, reason=reason) for each, took in enumerate(took_s)]


def _series(chance: random.Random, count: int, spread: float, factor: float = 1.0) -> list[float]:
    return [factor * 10 * math.exp(chance.gauss(0, spread)) for _ in range(count)]


def test_half_as_long_again_is_found_within_five_runs_and_the_first_is_named() -> None:
    """Of runs that vary by a tenth, nearly all such changes are found; the run that is named is the first slow one."""
    found = named = 0
    for seed in range(100):
        chance = random.Random(seed)
        before, after = _series(chance, 60, 0.1), _series(chance, 5, 0.1, factor=1.5)
        finding = slower(_runs(*before, *after))
        found += finding is not None
        named += finding is not None and finding.uuid == "u216000.0"
    assert found >= 98
    assert named >= 90


def test_of_runs_that_vary_by_a_fifth_most_such_changes_are_found_within_five_runs() -> None:
    """A rule that knew the spread and the usual duration would find three of four."""
    found = 0
    for seed in range(200):
        chance = random.Random(seed)
        series = [*_series(chance, 100, 0.2), *_series(chance, 5, 0.2, factor=1.5)]
        found += any(slower(_runs(*series[:length])) is not None for length in range(101, 106))
    assert found > 100


@pytest.mark.parametrize("spread", [0.05, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("part", [0.0, 0.1])
def test_steady_runs_are_not_called_slower(spread: float, part: float) -> None:
    """Of 60 series, each looked at 30 times, hardly one is called slower; also if a part takes twice as long."""
    false = 0
    for seed in range(60):
        chance = random.Random(seed)
        series = [2 ** (chance.random() < part) * each for each in _series(chance, 70, spread)]
        false += any(slower(_runs(*series[:length])) is not None for length in range(40, 70))
    assert false <= 1


def test_a_change_is_found_beside_runs_that_take_twice_as_long() -> None:
    """One run in ten takes twice as long; most changes of all of them are found within ten runs."""
    found = 0
    for seed in range(60):
        chance = random.Random(seed)
        series = [2 ** (chance.random() < 0.1) * each for each in _series(chance, 100, 0.1)]
        after = [2 ** (chance.random() < 0.1) * each for each in _series(chance, 10, 0.1, factor=1.5)]
        found += any(slower(_runs(*series, *after[:length])) is not None for length in range(1, 11))
    assert found >= 55


def test_a_rise_within_a_wide_spread_is_found_if_nearly_all_runs_before_were_faster() -> None:
    """At a spread of a fifth, single runs of the last five lie below the middle; together they are beyond chance."""
    before = [10.0 * math.exp(0.2 * (each % 11 - 5) / 3) for each in range(66)]
    assert slower(_runs(*before, 14.0, 14.5, 15.0, 14.0, 14.5)) is not None
    assert slower(_runs(*before, 12.0, 12.5, 13.0, 12.0, 12.5)) is None


def test_few_runs_say_nothing() -> None:
    """There have to be twenty before the last five."""
    assert slower(_runs(*[10.0] * (LEAST - 1), *[20.0] * LAST)) is None
    assert slower(_runs(*[10.0] * LEAST, *[20.0] * LAST)) is not None


def test_only_successes_count() -> None:
    """A job that fails fast or slowly is failing, not slower."""
    failures = [run((100 + each) * HOUR, (100 + each) * HOUR + 50, reason="error") for each in range(5)]
    assert slower([*_runs(*[10.0] * 30), *failures]) is None
    assert slower([*_runs(*[10.0] * 30), *failures, *_runs(*[10.0] * 5)]) is None


def test_single_slow_runs_do_not_count() -> None:
    """Where one run in ten takes three times as long, four of five are chance; all five are a change."""
    usual = [10.0, 10.5, 9.5] * 10
    usual[4::10] = [30.0] * 3
    assert slower(_runs(*usual, 30, 10, 30, 10, 30)) is None
    assert slower(_runs(*usual, 10, 30, 30, 30, 30)) is None
    assert slower(_runs(*usual, 30, 29, 30, 28, 30)) is not None


def test_the_finding_says_by_how_much() -> None:
    """The medians of both times are in its words; durations of zero are no error."""
    finding = slower(_runs(*[10.0] * 30, *[25.0] * 5))
    assert finding is not None
    assert finding.detail == "25.00 s, before 10.00 s"
    assert slower(_runs(*[0.0] * 30)) is None


def test_long_durations_are_said_in_hours_and_minutes() -> None:
    """As in every other place, no exponent and no thousands of seconds."""
    finding = slower(_runs(*[1230.0] * 30, *[7300.0] * 5))
    assert finding is not None
    assert finding.detail == "2h 01m, before 20m 30s"
