"""Schedules that people write."""

import re
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.errors import ScheduleError
from otel_job_measure.expectations import schedules

NOW = datetime(2026, 3, 25, tzinfo=UTC)
RIGA = "Europe/Riga"
SPRING = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)


def local(text: str, count: int, *, dialect: str | None = None, now: datetime = NOW, zone: str = RIGA) -> list[str]:
    """Returns the next due times as a clock on the wall shows them."""
    schedule = schedules.parse(text, zone, now, dialect)
    return [f"{due.astimezone(schedule.zone):%a %d.%m. %H:%M}" for due in islice(schedule.after(now), count)]


@pytest.mark.parametrize(
    ("dialect", "sunday", "seven", "friday", "spring", "autumn"),
    [
        ("cron", "Sun", "Sun", "Fri 13.02., Fri 20.02.", "04:00", 1),
        ("croniter", "Sun", "Sun", "Fri 13.02., Fri 20.02.", "04:00", 2),
        ("apscheduler", "Mon", "refused", "Sat 13.06., Sat 13.02.", "04:30", 2),
        ("celery", "Sun", "refused", "Fri 13.02., Fri 13.03.", "04:30", 1),
        ("huey", "Sun", "Sun", "Fri 13.02., Fri 13.03.", "skipped", 2),
        ("pycron", "Sun", "refused", "Fri 13.02., Fri 20.02.", "skipped", 2),
    ],
)
def test_each_dialect_reads_a_text_as_its_library_does(
    dialect: str, sunday: str, seven: str, friday: str, spring: str, autumn: int
) -> None:
    """Weekdays, the thirteenth and a Friday, the skipped and the repeated hour differ between six libraries."""
    assert local("0 3 * * 0", 1, dialect=dialect)[0][:3] == sunday
    if seven == "refused":
        with pytest.raises(ScheduleError):
            local("0 3 * * 7", 1, dialect=dialect)
    else:
        assert local("0 3 * * 7", 1, dialect=dialect)[0][:3] == seven
    thirteenth = local("0 3 13 * 5", 2, dialect=dialect, now=datetime(2026, 2, 10, tzinfo=UTC))
    assert ", ".join(due[:10] for due in thirteenth) == friday
    saturday = SPRING - timedelta(hours=12)
    on_sunday = [due[-5:] for due in local("30 3 * * *", 2, dialect=dialect, now=saturday) if "29.03." in due]
    assert (on_sunday or ["skipped"]) == [spring]
    in_autumn = local("30 3 * * *", 4, dialect=dialect, now=AUTUMN - timedelta(hours=12))
    assert sum("25.10. 03:30" in due for due in in_autumn) == autumn


@pytest.mark.parametrize(
    ("text", "dialect", "words"),
    [
        ("5 2 * * *", "cron", "At 02:05 every day"),
        ("  5   2 * * *  ", "cron", "At 02:05 every day"),
        ("*/10 * * * * *", "cron", "Every 10th second of every minute"),
        ("0 3 * * MON-FRI", "cron", "At 03:00 on Monday through Friday"),
        ("@daily", "cron", "At 00:00 every day"),
        ("@HOURLY", "cron", "At the start of every hour"),
        ("Mon..Fri 08:00", "oncalendar", "Mon..Fri 08:00"),
        ("*-*-01 02:05:00", "oncalendar", "*-*-01 02:05:00"),
        ("daily", "oncalendar", "daily"),
    ],
)
def test_the_form_of_a_text_tells_its_dialect(text: str, dialect: str, words: str) -> None:
    """Five or six fields without a colon are cron, the rest is OnCalendar."""
    schedule = schedules.parse(text, RIGA, NOW)
    assert (schedule.dialect, schedule.words) == (dialect, words)


@pytest.mark.parametrize(
    ("text", "zone", "dialect", "why"),
    [
        ("", RIGA, None, "one line of at most 1024 printable characters, got ''"),
        ("5 2 * * *\n6 2 * * *", RIGA, None, "one line"),
        ("*" * 1025, RIGA, None, "one line"),
        ("5 2 * *", RIGA, "cron", r"as cron it has 4 fields, it takes 5 \(minute, hour, day, month, weekday\) or 6"),
        ("61 2 * * *", RIGA, None, "Bad minute '61', it takes 0 to 59"),
        ("0 0 30 2 *", RIGA, None, "Bad day-of-month '30', it takes 1 to 31, as far as the month has them"),
        ("@reboot", RIGA, None, "@reboot has no due times; use max_runtime or max_age"),
        ("@fortnightly", RIGA, None, "of this form there are @yearly"),
        ("whenever", RIGA, None, "wrong as OnCalendar"),
        ("2020-01-01 00:00", RIGA, None, "is never due after 2026-03-25"),
        ("0 0 31 4 *", RIGA, "huey", "is never due"),
        ("61 2 * * *", RIGA, "pycron", "is never due"),
        ("*/0 * * * *", RIGA, "pycron", "pycron refuses the schedule"),
        ("*/0 * * * *", RIGA, "celery", "celery refuses the schedule"),
        ("* * *", RIGA, "huey", "huey refuses the schedule '.*': it takes 5 fields, got 3"),
        ("5 2 * * *", "Europe/Rige", None, "did you mean Europe/Riga"),
        ("5 2 * * *", "../../etc/passwd", None, "is unknown, it takes an IANA name"),
        ("5 2 * * *", "", None, "is unknown, it takes an IANA name"),
        ("5 2 * * *", RIGA, "quartz", "the dialect 'quartz' is unknown, it takes cron, oncalendar, apscheduler"),
    ],
)
def test_a_wrong_schedule_is_one_clear_error(text: str, zone: str, dialect: str | None, why: str) -> None:
    """The message says what was wrong, what it got and what it takes."""
    with pytest.raises(ScheduleError, match=why) as error:
        schedules.parse(text, zone, NOW, dialect)
    assert re.search(r"[\n\r]", str(error.value)) is None


def test_a_missing_library_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dialect needs its own library, which is imported when it is used."""
    monkeypatch.setitem(__import__("sys").modules, "pycron", None)
    with pytest.raises(ImportError, match=r"this dialect needs pycron: pip install pycron"):
        schedules.parse("5 2 * * *", RIGA, NOW, "pycron")


@given(
    minute=st.sampled_from(["*", "0", "*/7", "30", "15,45", "59"]),
    hour=st.sampled_from(["*", "0", "2", "3", "4", "2-4", "*/2", "3,4"]),
    day=st.sampled_from(["*", "29", "25,29"]),
    change=st.sampled_from([SPRING, AUTUMN]),
    minutes=st.integers(-180, 180),
)
def test_a_checker_that_starts_anywhere_finds_the_same_due_times(
    minute: str, hour: str, day: str, change: datetime, minutes: int
) -> None:
    """Around a change of clocks, the due times after any moment are those of an earlier look."""
    calendar = f"*-*-{day} {hour.replace('-', '..')}:{minute}:00".replace("*/", "0/")
    for text in (f"{minute} {hour} {day} * *", calendar):
        moment = change + timedelta(minutes=minutes)
        schedule = schedules.parse(text, RIGA, change - timedelta(days=2))
        early = [due for due in islice(schedule.after(change - timedelta(hours=4)), 500) if due > moment][:20]
        late = list(islice(schedule.after(moment), 20))
        assert late[: len(early)] == early[: len(late)]
        assert all(first < second for first, second in pairwise(late))


@pytest.mark.parametrize(
    ("text", "dialect", "grace_s"),
    [
        ("* * * * *", None, 60),
        ("*/5 * * * *", None, 60),
        ("0 * * * *", None, 360),
        ("0 */4 * * *", None, 1440),
        ("5 2 * * *", None, 3600),
        ("30 3 * * *", "apscheduler", 3600),
        ("0 0 1 1 *", None, 3600),
        ("2031-01-01 00:00", None, 3600),
        ("0 8,9 * * *", None, 360),
    ],
)
def test_the_default_grace_is_a_tenth_of_the_shortest_gap(text: str, dialect: str | None, grace_s: float) -> None:
    """It is at least a minute and at most an hour; the hour that a clock repeats does not shorten it."""
    assert schedules.parse(text, RIGA, NOW, dialect).grace_s(NOW) == grace_s


@pytest.mark.parametrize(
    "text", ["5 2 * * *", "@daily", "@monthly", "5 2 1 * MON", "0 0 29 2 *", "5 2-3 * * *", "@hourly"]
)
def test_what_is_due_once_a_day_needs_no_look_at_a_year(text: str) -> None:
    """One minute and one hour are once a day at most; the default grace is the same."""
    schedule = schedules.parse(text, RIGA, NOW)
    assert schedule.grace_s(NOW) == schedules.default_grace_s(schedule.gap_s(NOW))
