"""What an outage leaves open, beside limits that end or change in it."""

from dataclasses import replace
from typing import Any, Final

import pytest

from otel_job_measure.expectations.expectation import Expectation, ExpectedJob, Skip, Version
from otel_job_measure.insight.absence import Evidence, Span

from .made import HOUR, at, expected, history, judgement, names_of, of_name, run, sender, server

HOURLY: Final[dict[str, Any]] = {"schedule": "0 * * * *", "timezone": "UTC", "grace_s": 360.0}
OUTAGE = Span(at(0.5 * HOUR), at(6.5 * HOUR))
BEFORE = tuple(run(hour * HOUR + 2, hour * HOUR + 9) for hour in range(-5, 1))


def _during(complete: float) -> Evidence:
    """After the outage, with a backlog that has arrived up to a time."""
    now = 6.6 * HOUR
    words = [sender(host, now - 5, complete, pending=0 if complete > now - 10 else 7) for host in "ab"]
    return server(now, *words, gaps=(OUTAGE,))


def _after() -> Evidence:
    now = 6.9 * HOUR
    return server(now, sender("a", now - 5), sender("b", now - 5), gaps=(OUTAGE,))


def _missed(evidence: Evidence, of: ExpectedJob, *more: float) -> list[int]:
    runs = (*BEFORE, *(run(hour * HOUR + 2, hour * HOUR + 9) for hour in more))
    judged = judgement(evidence, of, *runs, after_ns=at(-5.5 * HOUR))
    return [(event.at_ns - at(0)) // int(HOUR * 1e9) for event in judged.events if event.event == "missed"]


def test_a_schedule_that_changes_in_an_outage_is_due_by_each_version_in_its_time() -> None:
    """Hourly until the third hour, every two hours from then on: no due time of the one is missed by the other."""
    first = expected(**HOURLY)
    second = Version(at(3.5 * HOUR), Expectation(schedule="0 */2 * * *", timezone="UTC", grace_s=360.0))
    of = replace(first, versions=(*first.versions, second))
    assert _missed(_after(), of, 1, 3, 4, 6) == [2]
    assert _missed(_after(), of, 1, 2, 3, 4, 6) == []


def test_a_retired_job_keeps_the_due_times_before_it_was_retired() -> None:
    """What was due before is still decided when the rows are there; it is no state of a job that is over."""
    of = expected(retired=3.5 * HOUR, **HOURLY)
    assert _missed(_during(2.5 * HOUR), of, 1) == [2]
    assert _missed(_after(), of, 1, 2) == [3]
    judged = judgement(_after(), of, *BEFORE, after_ns=at(-5.5 * HOUR))
    assert names_of(judged) == ["ok"]


@pytest.mark.parametrize(("complete", "found"), [(1.5 * HOUR, "unknown"), (6.5 * HOUR + 350, "stale")])
def test_an_age_that_is_exceeded_in_an_outage_is_decided_after_it(complete: float, found: str) -> None:
    """A success may wait with a host until that host has sent all rows of the outage."""
    of = expected(max_age_s=2 * HOUR)
    assert names_of(judgement(_during(complete), of, *BEFORE)) == [found]


def test_a_success_that_arrives_after_an_outage_makes_no_job_stale() -> None:
    """It ended in the outage, within the greatest age."""
    assert names_of(judgement(_after(), expected(max_age_s=2 * HOUR), *BEFORE, run(5 * HOUR, 5.1 * HOUR))) == ["ok"]


@pytest.mark.parametrize(("until", "skips"), [(-1.0, False), (0.0, False), (1.0, True), (200.0, True)])
def test_a_skip_that_ends_within_the_grace_still_skips_its_due_time(until: float, *, skips: bool) -> None:
    """What counts is the due time, not the end of its grace."""
    of = expected(skips=(Skip(at(-600), at(until), "moving"),), **HOURLY)
    judged = judgement(history(HOUR / 2), of, *BEFORE[:-1], after_ns=at(-HOUR / 2))
    assert [event.event for event in judged.events] == ["skipped" if skips else "missed"]


def test_late_data_of_a_host_with_jobs_of_its_own_clear_its_misses() -> None:
    """A host that was dead comes back with rows of the time before: misses that were told are withdrawn."""
    of = expected(host="a", **HOURLY)
    now = 2.5 * HOUR
    silent = server(now, sender("a", -60.0), sender("b", now - 5))
    told = judgement(silent, of, *BEFORE[:-1], after_ns=at(-HOUR / 2)).events
    assert [(event.event, event.at_ns) for event in told] == [("missed", at(hour * HOUR)) for hour in (0, 1, 2)]
    back = server(now + 120, sender("a", now + 110), sender("b", now + 110))
    later = judgement(back, of, *BEFORE, run(HOUR + 2, HOUR + 9), after_ns=at(-HOUR / 2), events=told).events
    assert {event.at_ns for event in later if event.withdrawn} == {at(0), at(HOUR)}


def test_a_checker_whose_clock_is_behind_tells_of_no_miss() -> None:
    """Beside it all hosts are five minutes ahead: what is missing on them is unknown."""
    now = HOUR / 2
    ahead = {host: Span(at(-HOUR), at(now + 300)) for host in "ab"}
    evidence = server(now, sender("a", now + 295), sender("b", now + 295), ahead=ahead)
    judged = judgement(evidence, expected(**HOURLY), *BEFORE[:-1], after_ns=at(-HOUR / 2))
    assert names_of(judged)[0] == "unknown"
    assert of_name(judged, "unknown").is_behind
    assert judged.events == ()
