"""Limits as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure import names
from otel_job_measure.expectations.arguments import Limits
from otel_job_measure.expectations.durations import in_words, seconds_of
from otel_job_measure.expectations.expectation import Expectation
from otel_job_measure.expectations.limits import checked

NOW = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30m", 1800),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1d 12h", 129_600),
        ("5 min", 300),
        ("1.5h", 5400),
        ("2 HOURS", 7200),
        ("500ms", 0.5),
        ("91", 91),
        (90, 90),
        (0.5, 0.5),
        (timedelta(hours=2), 7200),
        ("1w", 604_800),
    ],
)
def test_durations_are_written_in_many_ways(value: object, seconds: float) -> None:
    """With a unit, as several units, as a number of seconds, or as a timedelta."""
    assert seconds_of(value) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "-5", "1e9", "nan", "30m1h", "1h1h", "1h 5", "5 parsecs", "٣m", "1:30", True, None, [], "9" * 50, "1" * 400],
)
def test_other_values_are_no_durations(value: object) -> None:
    """Neither are a boolean, an exponent, digits of other scripts, and units that do not get smaller."""
    assert seconds_of(value) is None


@given(st.integers(min_value=1, max_value=10**8))
def test_a_duration_in_words_is_read_back(seconds: int) -> None:
    """A message shows a duration in a form that people may write."""
    assert seconds_of(in_words(seconds)) == seconds


def test_a_declaration_becomes_an_expectation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Durations become seconds; a schedule without a time zone means this machine's."""
    found = checked(
        {"schedule": "5 2 * * *", "timezone": "Europe/Berlin", "grace": "30m", "max_runtime": 3600, "failures": 3}, NOW
    )
    assert found.problems == ()
    assert found.expectation == Expectation(
        schedule="5 2 * * *", timezone="Europe/Berlin", grace_s=1800, max_runtime_s=3600, failures=3
    )
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    here = checked({"schedule": "@daily"}, NOW, scope="host").expectation
    assert here == Expectation(schedule="@daily", timezone="Asia/Kolkata", scope="host")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"grace": "soon", "every": "1h"}, ["grace='soon'", "30m"]),
        ({"max_runtime": -1}, ["max_runtime=-1", "1ms to ten years"]),
        ({"max_runtime": 0}, ["max_runtime=0"]),
        ({"max_age": float("inf")}, ["max_age=inf"]),
        ({"max_age": 10**400}, ["max_age=1000"]),
        ({"failures": 0}, ["failures=0", "from 1 to 1000"]),
        ({"failures": True}, ["failures=True"]),
        ({"failures": 1.5}, ["failures=1.5"]),
        ({"scope": "all"}, ["scope='all'", "any", "host"]),
        ({"schedule": "61 * * * *"}, ["schedule='61 * * * *'", "Bad minute"]),
        ({"schedule": "0 0 30 2 *"}, ["0 0 30 2 *"]),
        ({"schedule": "5 2 * *"}, ["5 2 * *"]),
        ({"schedule": "@reboot"}, ["max_runtime or max_age"]),
        ({"schedule": 5}, ["schedule=5", "5 2 * * *"]),
        ({"schedule": ""}, ["schedule=''"]),
        ({"schedule": "@daily", "timezone": "Europe/Berln"}, ["timezone='Europe/Berln'", "did you mean Europe/Berlin"]),
        ({"schedule": "@daily", "timezone": "../../etc/passwd"}, ["timezone="]),
        ({"schedule": "@daily", "dialect": "crone"}, ["crone", "cron, oncalendar"]),
        ({"schedule": "@daily", "every": "1h"}, ["every='1h' with schedule='@daily'"]),
        ({"min_runtime": "2h", "max_runtime": "1h"}, ["min_runtime='2h' with max_runtime='1h'"]),
        ({"schedule": "*/5 * * * *", "grace": "5m"}, ["grace='5m'", "every 5m"]),
        ({"every": "10m", "grace": "1h"}, ["grace='1h'", "every 10m"]),
        ({"every": "10m", "min_interval": "11m"}, ["min_interval='11m'", "every 10m"]),
        ({"schedule": "@daily", "max_age": "1h"}, ["max_age='1h'", "every 1d"]),
        ({"timezone": "UTC"}, ["timezone='UTC'", "schedule"]),
        ({"dialect": "celery"}, ["dialect='celery'"]),
        ({"grace": "5m"}, ["grace='5m'", "schedule or every"]),
        ({"max_runtme": "1h"}, ["max_runtme='1h'", "did you mean max_runtime"]),
    ],
)
def test_a_wrong_limit_is_one_clear_error(given: dict[str, object], words: list[str]) -> None:
    """It names the limit, the value and what belongs there, in one line."""
    ((_, message),) = checked(given, NOW).problems
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    "given",
    [
        {"schedule": "* * * * *", "grace": "1m"},
        {"schedule": "@daily", "max_age": "1d"},
        {"schedule": "@hourly", "min_interval": "1h"},
        {"min_runtime": "1h", "max_runtime": "1h"},
        {"schedule": "@daily", "timezone": None, "grace": None},
    ],
)
def test_limits_at_the_edge_are_no_contradiction(given: dict[str, object]) -> None:
    """Equal limits, the least default grace in a schedule of each minute, and None for unset."""
    assert checked(given, NOW).problems == ()


def test_a_wrong_limit_leaves_the_others_in_force() -> None:
    """What belongs to a wrong schedule goes with it; a schedule is not read in another zone than the one meant."""
    found = checked({"schedule": "@daily", "timezone": "Mars/Base", "grace": "5m", "max_runtime": "1h"}, NOW)
    assert found.expectation == Expectation(max_runtime_s=3600)
    assert [name for name, _ in found.problems] == ["timezone"]


@pytest.mark.parametrize("name", names.LIMITS)
def test_hostile_values_are_wrong_and_raise_nothing(name: str) -> None:
    """Whatever object stands there, the job goes on."""

    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError

    values: tuple[object, ...] = (Hostile(), object(), "\ud800", "x" * 10_000, b"1h", [], {}, "\0")
    for value in values:
        assert [wrong for wrong, _ in checked({name: value}, NOW).problems] == [name]


def test_each_limit_has_a_type() -> None:
    """The names stand in one place, and the types in another that `exec` need not load."""
    assert tuple(Limits.__annotations__) == names.LIMITS
