"""When a job was and will be due."""

from dataclasses import replace
from datetime import UTC, datetime

from otel_job_measure.expectations.dues import MOST, Due, due_after_start, dues, in_force
from otel_job_measure.expectations.expectation import DueList, Expectation, ExpectedJob, JobId, Skip, Version

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def at(text: str) -> int:
    """Returns a time of November 2026, in ns since 1970."""
    return int(datetime.fromisoformat(f"2026-11-{text}+00:00").timestamp()) * 10**9


def job(*versions: tuple[int, Expectation], first_seen_ns: int | None = None) -> ExpectedJob:
    """Returns an expected job."""
    seen_ns = versions[0][0] if first_seen_ns is None else first_seen_ns
    found = tuple(Version(since_ns, expectation) for since_ns, expectation in versions)
    return ExpectedJob(job=JobId("nightly"), source="code", first_seen_ns=seen_ns, versions=found)


def times(expected: ExpectedJob, after: str, until: str) -> list[str]:
    """Returns the due times of a span as day and time."""
    found = dues(expected, at(after), at(until)).dues
    return [f"{datetime.fromtimestamp(due.at_ns / 1e9, UTC):%d %H:%M}" for due in found]


DAILY = Expectation(schedule="0 2 * * *", timezone="UTC")
HOURLY = Expectation(schedule="0 * * * *", timezone="UTC")


def test_due_times_lie_after_the_begin_and_up_to_the_end() -> None:
    """So that spans that follow each other have each due time once."""
    daily = job((at("01T00:00"), DAILY))
    assert times(daily, "10T02:00", "12T02:00") == ["11 02:00", "12 02:00"]
    assert times(daily, "12T02:00", "13T01:59") == []


def test_no_due_time_lies_before_the_job_was_first_seen() -> None:
    """A job that was declared at noon did not miss the night before."""
    assert times(job((at("10T12:00"), DAILY)), "08T00:00", "11T12:00") == ["11 02:00"]
    assert times(job((at("10T02:00"), DAILY)), "08T00:00", "10T12:00") == ["10 02:00"]


def test_a_due_time_belongs_to_the_version_that_was_in_force_then() -> None:
    """A changed schedule changes nothing before the change."""
    changed = job((at("01T00:00"), DAILY), (at("10T01:00"), Expectation(schedule="30 1 * * *", timezone="UTC")))
    assert times(changed, "09T00:00", "11T00:00") == ["09 02:00", "10 01:30"]
    without = job((at("01T00:00"), DAILY), (at("10T01:00"), Expectation(max_runtime_s=60)))
    assert times(without, "09T00:00", "11T00:00") == ["09 02:00"]
    assert in_force(changed, at("09T00:00")) == changed.versions[0]
    assert in_force(changed, at("10T01:00")) == changed.versions[1]


def test_no_due_time_lies_after_the_retirement() -> None:
    """Even at the very moment."""
    gone = replace(job((at("01T00:00"), DAILY)), retired_ns=at("10T02:00"), retired_why="removed")
    assert times(gone, "09T00:00", "12T00:00") == ["09 02:00"]
    assert in_force(gone, at("10T02:00")) is None


def test_each_due_time_has_its_grace_and_the_nearest_other_one() -> None:
    """The default grace is a tenth of the shortest gap."""
    hourly = dues(job((at("01T00:00"), HOURLY)), at("10T00:00"), at("10T01:00")).dues
    assert hourly == (Due(at("10T01:00"), 360.0, 3600.0),)
    pairs = job((at("01T00:00"), Expectation(schedule="0,2 * * * *", timezone="UTC", grace_s=30)))
    assert [due.gap_s for due in dues(pairs, at("10T00:30"), at("10T01:30")).dues] == [120.0, 120.0]
    # The neighbours count even if they are outside the span.
    assert [due.gap_s for due in dues(pairs, at("10T01:01"), at("10T01:02")).dues] == [120.0]


def test_two_checkers_find_the_same_whenever_they_ask() -> None:
    """Grace and gap do not depend on the span."""
    pairs = job((at("01T00:00"), Expectation(schedule="0,2 3 * * *", timezone="Europe/Riga")))
    whole = dues(pairs, at("01T00:00"), at("20T00:00")).dues
    pieces = [due for day in range(1, 20) for due in dues(pairs, at(f"{day:02}T00:00"), at(f"{day + 1:02}T00:00")).dues]
    assert list(whole) == pieces


def test_a_newer_list_of_a_scheduler_replaces_an_older_one_from_its_begin_on() -> None:
    """A paused job, a changed database schedule; what the older list said before stays."""
    older = DueList(at("10T00:00"), at("18T00:00"), tuple(at(f"{day}T02:00") for day in range(10, 18)))
    newer = DueList(at("12T00:00"), at("20T00:00"), (at("12T05:00"), at("13T05:00")))
    listed = replace(
        job((at("01T00:00"), Expectation(by_scheduler=True, grace_s=60))), source="scheduler", due_lists=(older, newer)
    )
    assert times(listed, "09T00:00", "19T00:00") == ["10 02:00", "11 02:00", "12 05:00", "13 05:00"]
    paused = replace(listed, due_lists=(older, DueList(at("11T12:00"), at("20T00:00"), ())))
    assert times(paused, "09T00:00", "19T00:00") == ["10 02:00", "11 02:00"]


def test_beyond_the_list_of_a_scheduler_due_times_are_unknown() -> None:
    """The checker has neither the app nor its library."""
    listed = replace(
        job((at("01T00:00"), Expectation(by_scheduler=True))),
        source="scheduler",
        due_lists=(DueList(at("10T00:00"), at("12T00:00"), (at("10T02:00"), at("11T02:00"))),),
    )
    found = dues(listed, at("09T00:00"), at("15T00:00"))
    assert (len(found.dues), found.known_until_ns, bool(found.why)) == (2, at("12T00:00"), True)
    assert dues(listed, at("09T00:00"), at("12T00:00")).why == ""
    assert dues(replace(listed, due_lists=()), at("09T00:00"), at("12T00:00")).known_until_ns == at("09T00:00")


def test_a_schedule_that_cannot_be_read_here_is_unknown_and_raises_nothing() -> None:
    """A dialect whose library is missing, or a text that another version wrote."""
    strange = job((at("01T00:00"), Expectation(schedule="each full moon", timezone="UTC")))
    found = dues(strange, at("09T00:00"), at("15T00:00"))
    assert (found.dues, found.known_until_ns) == ((), at("09T00:00"))
    assert "each full moon" in found.why


def test_a_question_has_a_bounded_answer() -> None:
    """A schedule of each second over a month would take all memory."""
    each_second = job((at("01T00:00"), Expectation(schedule="* * * * * *", timezone="UTC")))
    found = dues(each_second, at("01T00:00"), at("29T00:00"))
    assert len(found.dues) <= MOST + 1
    assert found.known_until_ns < at("04T00:00")
    assert found.why


def test_skipped_due_times_say_why() -> None:
    """The checker settles them, and a run that comes all the same matches."""
    skip = Skip(at("10T00:00"), at("11T02:00"), "database move")
    skipped = replace(job((at("01T00:00"), DAILY)), skips=(skip,))
    found = dues(skipped, at("09T03:00"), at("12T03:00")).dues
    assert [due.skip for due in found] == [skip, None, None]


def test_a_date_of_the_past_was_due_then() -> None:
    """A schedule of one date can be read after that date."""
    once = job((at("01T00:00"), Expectation(schedule="2026-11-05 10:00:00", timezone="UTC")))
    assert times(once, "01T00:00", "29T00:00") == ["05 10:00"]


def test_an_interval_counts_from_the_last_scheduled_start() -> None:
    """Before the first run it counts from when the job was first seen, and never from before."""
    often = job((at("10T00:00"), Expectation(every_s=3600)))
    assert dues(often, at("09T00:00"), at("12T00:00")).dues == ()
    assert due_after_start(often, None, at("10T05:00")) == Due(at("10T01:00"), 360.0, 3600.0)
    assert due_after_start(often, at("10T04:30"), at("10T05:00")) == Due(at("10T05:30"), 360.0, 3600.0)
    assert due_after_start(often, at("02T00:00"), at("10T05:00")) == Due(at("10T01:00"), 360.0, 3600.0)
    assert due_after_start(often, at("09T23:30"), at("10T05:00")) == Due(at("10T00:30"), 360.0, 3600.0)
    assert due_after_start(often, None, at("09T00:00")) is None
    assert due_after_start(job((at("10T00:00"), DAILY)), None, at("10T05:00")) is None
