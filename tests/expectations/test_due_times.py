"""Due times that are evaluated once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.expectations.due_times import DueTimes
from otel_job_measure.expectations.schedules import Schedule, parse

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = 3600 * 10**9
SCHEDULES = ["*/5 * * * *", "30 2 * * *", "0 0 1 * *", "15 1-3 * * 0", "*-*-* 02:30:00", "2026-03-30 02:30:00"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]


def ns(at: datetime) -> int:
    """Returns a time in ns since 1970."""
    return (at - EPOCH) // timedelta(microseconds=1) * 1000


def evaluated(schedule: Schedule, from_ns: int, until_ns: int) -> list[int]:
    """Returns what the schedule itself says."""
    found: list[int] = []
    for due in schedule.after(EPOCH + timedelta(microseconds=from_ns // 1000 - 1)):
        found.append(ns(due))
        if found[-1] >= until_ns:
            break
    return found


@given(
    text=st.sampled_from(SCHEDULES),
    zone=st.sampled_from(ZONES),
    spans=st.lists(st.tuples(st.integers(0, 60 * 24), st.integers(0, 72)), min_size=1, max_size=6),
)
def test_they_are_those_of_the_schedule_in_whichever_order_one_asks(
    text: str, zone: str, spans: list[tuple[int, int]]
) -> None:
    """Also over changes of clocks, and for spans before and after what is known already."""
    schedule = parse(text, zone, BEGIN)
    known = DueTimes(schedule)
    for after, length in spans:
        from_ns = ns(BEGIN) + after * HOUR
        until_ns = from_ns + length * HOUR
        assert known.between(from_ns, until_ns, 100_000) == evaluated(schedule, from_ns, until_ns)


class _Counted:
    """A schedule of each minute that counts what is evaluated."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, moment: datetime) -> Iterator[datetime]:
        """Yields the minutes after a moment."""
        at = moment.replace(second=0, microsecond=0)
        while True:
            at += timedelta(minutes=1)
            self.count += 1
            yield at


@pytest.fixture
def counted() -> _Counted:
    """The counter."""
    return _Counted()


def test_a_checker_that_comes_each_minute_evaluates_each_due_time_once(counted: _Counted) -> None:
    """It asks for two days each time, and only what is new costs anything."""
    known = DueTimes(parse("* * * * *", "UTC", BEGIN)._replace(evaluate=counted))
    day_ns = 24 * HOUR
    for minute in range(3 * 1440):
        now_ns = ns(BEGIN) + minute * HOUR // 60
        assert len(known.between(now_ns - 2 * day_ns, now_ns, 50_000)) == 2881
    assert counted.count <= 2881 + 2 * 3 * 1440


def test_an_answer_is_bounded(counted: _Counted) -> None:
    """A span of years is no reason to evaluate them all, and what is long past is not kept."""
    known = DueTimes(parse("* * * * *", "UTC", BEGIN)._replace(evaluate=counted))
    assert len(known.between(ns(BEGIN), ns(BEGIN) + 10**6 * HOUR, 100)) == 101
    assert counted.count == 101
    for day in range(30):
        from_ns = ns(BEGIN) + day * 24 * HOUR
        assert len(known.between(from_ns, from_ns + 24 * HOUR, 50_000)) == 1441
    assert len(known._known.times) < 15_000
