"""When a job is due: a schedule that a person wrote, evaluated in its time zone.

A schedule yields its due times in UTC, in ascending order, each once. The result does not depend on the moment from
which it is asked: a checker that starts anywhere finds the due times that another one found.
"""

import difflib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

# cronsim would import it with the first schedule, maybe while another thread forks.
import cronsim.explain  # noqa: F401  # pyright: ignore[reportUnusedImport]
from cronsim import CronSim, CronSimError
from oncalendar import OnCalendar, OnCalendarError

from otel_job_measure.errors import ScheduleError
from otel_job_measure.expectations import dialects

CRON: Final = "cron"
ONCALENDAR: Final = "oncalendar"
DIALECTS: Final = (CRON, ONCALENDAR, *dialects.EVALUATORS)

_TAKES: Final = {
    "second": "0 to 59",
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31, as far as the month has them, or L",
    "month": "1 to 12, or JAN to DEC",
    "day-of-week": "0 to 7, or SUN to SAT",
}
_ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MAX_TEXT: Final = 1024
_CRON_FIELDS: Final = (5, 6)
# Gaps are compared over this many due times of at most this long, which holds every change of clocks.
_GAPS: Final = 500
_GAP_SPAN: Final = timedelta(days=366)
_LEAST_GRACE_S: Final = 60.0
_MOST_GRACE_S: Final = 3600.0

_Evaluate = Callable[[datetime], Iterator[datetime]]


class Schedule(NamedTuple):
    """A schedule of one dialect in one time zone; `parse` makes it."""

    text: str
    zone: ZoneInfo
    dialect: str
    words: str
    """The schedule in English, or the text itself if its library does not explain it."""
    evaluate: _Evaluate

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yields the due times later than `moment`, an aware datetime, in UTC and in ascending order."""
        last = moment.astimezone(UTC)
        # Around a change of clocks, the libraries can return a time again, or one before the moment.
        for due in self.evaluate(moment.astimezone(self.zone)):
            if (found := due.astimezone(UTC)) > last:
                last = found
                yield found

    def gap_s(self, moment: datetime) -> float | None:
        """Returns the shortest gap between the due times of the coming year, in seconds; None if there is none."""
        until = moment + _GAP_SPAN
        coming = [due for due in islice(self.after(moment), _GAPS) if due <= until]
        # By the clock on the wall: an hour that it repeats makes no short gap.
        walls = [due.astimezone(self.zone).replace(tzinfo=None) for due in coming]
        gaps = [(late - early).total_seconds() for early, late in pairwise(walls)]
        return min((gap for gap in gaps if gap > 0), default=None)

    def grace_s(self, moment: datetime) -> float:
        """Returns the default grace in seconds."""
        if self.dialect == CRON and _is_once_a_day(self.text):
            return _MOST_GRACE_S  # without a look at each day of a year
        return default_grace_s(self.gap_s(moment))


def parse(text: str, timezone: str, now: datetime, dialect: str | None = None) -> Schedule:
    """Returns a schedule.

    Args:
        text: A cron expression of five fields (minute first) or six (second first), `@daily` and its like, or
            systemd's OnCalendar, such as `Mon..Fri 08:00`.
        timezone: The IANA name of the time zone that the text means, such as `Europe/Berlin`.
        now: An aware datetime. A schedule without a due time after it is refused.
        dialect: One of `DIALECTS`; without it, the text's form decides between cron and OnCalendar.

    Raises:
        ScheduleError: The text, the zone or the dialect is wrong, or the schedule can never be due.
        MissingDependencyError: The library of the dialect is not installed.
    """
    given = text.strip()
    if not given or len(given) > _MAX_TEXT or not given.isprintable():
        raise ScheduleError(f"a schedule is one line of at most {_MAX_TEXT} printable characters, got {text[:80]!a}")
    zone = zone_named(timezone)
    kind = _dialect(given, dialect)
    words, evaluate = _evaluated(kind, given, zone, now)
    schedule = Schedule(text=given, zone=zone, dialect=kind, words=words, evaluate=evaluate)
    if next(schedule.after(now), None) is None:
        raise ScheduleError(f"the schedule {given!a} ({kind}) is never due after {now:%Y-%m-%d %H:%M %Z}")
    return schedule


def default_grace_s(shortest_gap_s: float | None) -> float:
    """Returns a tenth of the shortest gap, at least a minute, at most an hour, all in seconds."""
    return _MOST_GRACE_S if shortest_gap_s is None else min(max(shortest_gap_s / 10, _LEAST_GRACE_S), _MOST_GRACE_S)


def _is_once_a_day(text: str) -> bool:
    """Returns whether a cron expression of five fields has one minute and one hour."""
    fields = _ALIASES.get(text.lower(), text).split()
    return len(fields) == _CRON_FIELDS[0] and all(field.isascii() and field.isdecimal() for field in fields[:2])


def zone_named(name: str) -> ZoneInfo:
    """Returns a time zone; raises `ScheduleError` with the nearest name if there is none such."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        known = available_timezones()
    if not known:
        raise ScheduleError("this system has no time zones; pip install tzdata")
    near = difflib.get_close_matches(name[:_MAX_TEXT], known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ScheduleError(f"the time zone {name[:80]!a} is unknown, it takes an IANA name such as Europe/Berlin{hint}")


def _dialect(text: str, given: str | None) -> str:
    if given is None:
        is_cron = text.startswith("@") or (len(text.split()) in _CRON_FIELDS and ":" not in text)
        return CRON if is_cron else ONCALENDAR
    if given not in DIALECTS:
        raise ScheduleError(f"the dialect {given[:80]!a} is unknown, it takes {', '.join(DIALECTS)}")
    return given


def _cron(text: str, zone: ZoneInfo) -> tuple[str, _Evaluate]:
    if text.lower() == "@reboot":
        raise ScheduleError("@reboot has no due times; use max_runtime or max_age without a schedule")
    if text.startswith("@") and text.lower() not in _ALIASES:
        raise ScheduleError(f"the schedule {text[:80]!a} is unknown, of this form there are {', '.join(_ALIASES)}")
    expression = _ALIASES.get(text.lower(), text)
    try:
        words = CronSim(expression, datetime.now(zone)).explain()
    except CronSimError as error:
        raise ScheduleError(
            f"the cron schedule {text!a} is wrong: {error}{_takes(expression, str(error))}{_fields(text)}"
        ) from error
    return words, lambda moment: CronSim(expression, moment)


def _takes(expression: str, error: str) -> str:
    """Returns a wrong field, and the values that it takes."""
    kind, fields = error.removeprefix("Bad "), expression.split()
    if kind not in _TAKES or len(fields) not in _CRON_FIELDS:
        return ""
    field = fields[list(_TAKES).index(kind) - (len(_TAKES) - len(fields))]
    return f" {field!a}, it takes {_TAKES[kind]}"


def _fields(text: str) -> str:
    """Returns a hint at the fields if their number is wrong."""
    found = len(text.split())
    if found in _CRON_FIELDS:
        return ""
    return f"; as cron it has {found} fields, it takes 5 (minute, hour, day, month, weekday) or 6 (second first)"


def _oncalendar(text: str, zone: ZoneInfo) -> tuple[str, _Evaluate]:
    try:
        OnCalendar(text, datetime.now(zone))
    except (OnCalendarError, IndexError) as error:
        raise ScheduleError(
            f"the schedule {text!a} is wrong as OnCalendar: {error}"
            f"{_fields(text) if ':' not in text else ''}; "
            "a schedule is cron (5 2 * * *), @daily or OnCalendar (Mon..Fri 08:00)"
        ) from error
    return text, lambda moment: OnCalendar(text, moment)


def _evaluated(dialect: str, text: str, zone: ZoneInfo, now: datetime) -> tuple[str, _Evaluate]:
    """Returns a schedule's words and its evaluation."""
    if dialect == CRON:
        return _cron(text, zone)
    if dialect == ONCALENDAR:
        return _oncalendar(text, zone)
    spaced = " ".join(text.split())
    return spaced, dialects.evaluator(dialect, spaced, zone, now.astimezone(zone))
