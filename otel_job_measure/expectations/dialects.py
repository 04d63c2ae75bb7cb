"""The cron strings of other schedulers, each evaluated by its own library.

They read the same text differently: for `0 3 * * 0` APScheduler means Monday and cron means Sunday; on the 13th that
is no Friday, `0 3 13 * 5` is due for croniter and not for Celery. So a dialect is never imitated here. Each library
is imported when its dialect is used.
"""

import importlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from types import ModuleType
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from otel_job_measure.errors import MissingDependencyError, ScheduleError

_MINUTE: Final = timedelta(minutes=1)
# How far libraries that only tell whether a minute matches are asked: a leap year's 29 February comes by then.
_LOOK: Final = timedelta(days=8 * 366 + 1)
_IN_VAIN: Final = 10
"""If so many days match and none has a minute that does, none ever will: a change of clocks skips one day's only."""
_DAY: Final = timedelta(days=1)
_MIDNIGHT: Final = time()
_NOON: Final = time(12)
_MARGIN: Final = timedelta(hours=3)
"""More than any change of clocks: a day has at most this much more or less than 24 hours."""

_Evaluate = Callable[[datetime], Iterator[datetime]]


_REFUSALS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What the libraries raise for texts that they do not take."""


def evaluator(dialect: str, text: str, zone: ZoneInfo, now: datetime) -> _Evaluate:
    """Returns a function that yields the due times after an aware datetime of `zone`.

    Raises:
        ScheduleError: The dialect's library refuses the text.
        MissingDependencyError: The library is not installed.
    """
    try:
        evaluate = EVALUATORS[dialect](text, zone)
        next(evaluate(now), None)  # some refuse a text only when it is evaluated
    except _REFUSALS as error:
        raise ScheduleError(f"{dialect} refuses the schedule {text!a}: {error}") from error
    return evaluate


def _imported(module: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(f"this dialect needs {package}: pip install {package}") from error


def _five(text: str) -> list[str]:
    words = text.split()
    if len(words) != 5:  # noqa: PLR2004 - minute, hour, day, month, weekday
        raise ValueError(f"it takes 5 fields, got {len(words)}")
    return words


def _apscheduler(text: str, zone: ZoneInfo) -> _Evaluate:
    module: Any = _imported("apscheduler.triggers.cron", "apscheduler")
    trigger = module.CronTrigger.from_crontab(text, timezone=zone)

    def dues(moment: datetime) -> Iterator[datetime]:
        due: datetime | None = trigger.get_next_fire_time(None, moment)
        while due is not None:
            yield due
            due = trigger.get_next_fire_time(due, due)

    return dues


def _celery(text: str, zone: ZoneInfo) -> _Evaluate:
    celery: Any = _imported("celery", "celery")
    schedules: Any = _imported("celery.schedules", "celery")
    minute, hour, day, month, weekday = _five(text)
    app = celery.Celery("dialect", set_as_current=False, timezone=zone.key)
    clock: list[datetime] = []
    entry = schedules.crontab(
        minute, hour, day_of_month=day, month_of_year=month, day_of_week=weekday, app=app, nowfun=lambda: clock[-1]
    )

    def dues(moment: datetime) -> Iterator[datetime]:
        due = moment
        while True:
            clock[:] = [due]
            try:
                # The difference is one of elapsed time, so it is added in UTC.
                due = (due.astimezone(UTC) + entry.remaining_estimate(due)).astimezone(zone)
            except RuntimeError:  # Celery gave up looking for a day
                return
            yield due

    return dues


def _croniter(text: str, zone: ZoneInfo) -> _Evaluate:
    del zone
    module: Any = _imported("croniter", "croniter")
    if not module.croniter.is_valid(text):
        module.croniter(text)  # raises with the reason

    def dues(moment: datetime) -> Iterator[datetime]:
        due, made = moment, module.croniter(text, moment)
        while True:
            try:  # from the due time itself: what the object remembers can differ around a change of clocks
                due = cast("datetime", made.get_next(datetime, start_time=due))
            except module.CroniterBadDateError:  # there is none within its 50 years
                return
            yield due

    return dues


def _huey(text: str, zone: ZoneInfo) -> _Evaluate:
    module: Any = _imported("huey.api", "huey")
    minute, hour, day, month, weekday = _five(text)
    on_day = module.crontab("*", "*", day, month, weekday, strict=True)
    return _by_minute(on_day, module.crontab(minute, hour, day, month, weekday, strict=True), zone)


def _pycron(text: str, zone: ZoneInfo) -> _Evaluate:
    module: Any = _imported("pycron", "pycron")
    minute, hour, *days = _five(text)
    on_day, at_minute = " ".join(("*", "*", *days)), " ".join((minute, hour, *days))
    return _by_minute(
        lambda moment: module.is_now(on_day, moment), lambda moment: module.is_now(at_minute, moment), zone
    )


def _by_minute(on_day: Callable[[datetime], bool], at_minute: Callable[[datetime], bool], zone: ZoneInfo) -> _Evaluate:
    """Asks a library that only knows whether a minute matches: on each day that matches, each minute that passes."""

    def dues(moment: datetime) -> Iterator[datetime]:
        day, last, in_vain = moment.date(), moment.date() + _LOOK, 0
        while day < last and in_vain < _IN_VAIN:
            if on_day(datetime.combine(day, _NOON, zone)):
                found = [minute for minute in _minutes(day, zone) if at_minute(minute)]
                yield from found
                in_vain = 0 if found else in_vain + 1
            day += _DAY

    return dues


def _minutes(day: date, zone: ZoneInfo) -> Iterator[datetime]:
    """Yields the minutes of a day as they pass: a clock that changes skips an hour of them or repeats it."""
    minute = datetime.combine(day, _MIDNIGHT, zone).astimezone(UTC) - _MARGIN
    end = minute + _DAY + 2 * _MARGIN
    while minute < end:
        if (local := minute.astimezone(zone)).date() == day:
            yield local
        minute += _MINUTE


EVALUATORS: Final[dict[str, Callable[[str, ZoneInfo], _Evaluate]]] = {
    "apscheduler": _apscheduler,
    "celery": _celery,
    "croniter": _croniter,
    "huey": _huey,
    "pycron": _pycron,
}
"""One evaluator a library. RQ and procrastinate use croniter, dramatiq-crontab APScheduler, taskiq pycron."""
