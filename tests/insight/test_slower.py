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


@pytest.mark.parametrize("spread", [0.05, 0.1, 0.5])
def test_steady_runs_are_not_called_slower(spread: float) -> None:
    """Of 100 series, whatever their spread, hardly one is called slower at its end."""
    false = sum(slower(_runs(*_series(random.Random(seed), 60, spread))) is not None for seed in range(100))
    assert false <= 1


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
    """Three of five are chance; four of five are a change."""
    usual = [10.0, 10.5, 9.5] * 10
    assert slower(_runs(*usual, 30, 10, 30, 10, 30)) is None
    assert slower(_runs(*usual, 10, 30, 30, 30, 30)) is not None


def test_the_finding_says_by_how_much() -> None:
    """The medians of both times are in its words; durations of zero are no error."""
    finding = slower(_runs(*[10.0] * 30, *[25.0] * 5))
    assert finding is not None
    assert finding.detail == "25 s, before 10 s"
    assert slower(_runs(*[0.0] * 30)) is None
