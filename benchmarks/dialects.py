"""Schedulers under a simulated clock: what each library does, against what `expectations.dialects` says it will do."""

import importlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim

from otel_job_measure.errors import ScheduleError
from otel_job_measure.expectations import schedules

# Libraries without types
apscheduler: Any = importlib.import_module("apscheduler.triggers.cron")
celery: Any = importlib.import_module("celery")
crontab: Any = importlib.import_module("celery.schedules").crontab
croniter: Any = importlib.import_module("croniter").croniter
huey: Any = importlib.import_module("huey.api")
pycron: Any = importlib.import_module("pycron")

MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
DAYS: Final = 31
"""For so many days each expression is followed: the change of clocks lies at the end of the first."""
_SECONDS: Final = timedelta(seconds=37)
Simulated = Callable[[str, ZoneInfo, datetime, datetime, random.Random], Iterator[datetime]]
CHANGES: Final = {
    "Europe/Riga": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 10, 3, 15, 30, tzinfo=UTC), datetime(2026, 4, 4, 15, tzinfo=UTC)),
}
"""Zones and their changes of clocks in 2026; Lord Howe's clocks change by half an hour."""


def expression(chance: random.Random) -> str:
    """Returns a cron expression of five fields that all six libraries take, mostly due at night."""

    def field(least: int, most: int, stars: float) -> str:
        if chance.random() < stars:
            return chance.choice(["*", "*", f"*/{chance.choice([2, 3, 5, 7, 10])}"])
        first, second = sorted(chance.sample(range(least, most + 1), 2))
        return chance.choice([f"{first}", f"{first}", f"{first}-{second}", f"{first},{second}"])

    hour = field(0, 4, 0.3) if chance.random() < 0.8 else field(0, 23, 0.3)
    weekday = "*" if chance.random() < 0.7 else field(0, 6, 0).replace("*/", "")
    day, month = field(1, 31, 0.8).replace("*/", ""), field(1, 12, 0.9).replace("*/", "")
    return f"{field(0, 59, 0.3)} {hour} {day} {month} {weekday}"


def by_cronsim(text: str, zone: ZoneInfo, start: datetime, end: datetime, chance: random.Random) -> Iterator[datetime]:
    """Debian's cron as cronsim has it: one evaluation from long before."""
    last = start
    for due in CronSim(text, (start - 40 * DAY).astimezone(zone)):
        if (found := due.astimezone(UTC)) > last:
            last = found
            yield found


def by_rq(text: str, zone: ZoneInfo, start: datetime, end: datetime, chance: random.Random) -> Iterator[datetime]:
    """RQ's cron: each next time is found from the moment, some seconds late, at which the last one was enqueued."""
    now = start.astimezone(zone)
    # A new object parses the expression again, which takes twice as long as the search: after the change, one is kept.
    near, made = start + 2 * DAY, croniter(text, now)
    while True:
        due = (croniter(text, now) if now < near else made).get_next(datetime, start_time=now)
        yield due
        now = (due.astimezone(UTC) + timedelta(seconds=chance.uniform(0, 20))).astimezone(zone)


def by_apscheduler(
    text: str, zone: ZoneInfo, start: datetime, end: datetime, chance: random.Random
) -> Iterator[datetime]:
    """APScheduler's loop: wakes late, takes every time that has passed, and asks for the next one."""
    trigger: Any = apscheduler.CronTrigger.from_crontab(text, timezone=zone)
    due = trigger.get_next_fire_time(None, start.astimezone(zone) + timedelta(microseconds=1))
    while due is not None:
        now = due.astimezone(UTC) + timedelta(seconds=chance.uniform(0, 90))
        # Compared in UTC: two times of one zone are compared by the wall, where an hour can repeat.
        while due is not None and due.astimezone(UTC) <= now:
            yield due
            due = trigger.get_next_fire_time(due, now.astimezone(zone))


def by_beat(text: str, zone: ZoneInfo, start: datetime, end: datetime, chance: random.Random) -> Iterator[datetime]:
    """Celery's beat: asks each entry whether it is due, and sleeps for as long as the entry says."""
    now = [start.astimezone(zone)]
    minute, hour, day, month, weekday = text.split()
    app: Any = celery.Celery("beat", set_as_current=False, timezone=zone.key)
    entry: Any = crontab(
        minute, hour, day_of_month=day, month_of_year=month, day_of_week=weekday, app=app, nowfun=lambda: now[0]
    )
    last = now[0]
    while True:
        is_due, wait_s = entry.is_due(last)
        if is_due:
            yield now[0].replace(second=0, microsecond=0)
            last = now[0]
        late_s = chance.uniform(0.001, 0.05)
        now[0] = (now[0].astimezone(UTC) + timedelta(seconds=wait_s + late_s)).astimezone(zone)


def by_huey(text: str, zone: ZoneInfo, start: datetime, end: datetime, chance: random.Random) -> Iterator[datetime]:
    """Huey's scheduler: asks each minute of the local time whether the task matches."""
    minute, hour, day, month, weekday = text.split()
    matches: Any = huey.crontab(minute, hour, day, month, weekday)
    return (due for due, moment in minutes(zone, start, end) if matches(moment))


def by_taskiq(text: str, zone: ZoneInfo, start: datetime, end: datetime, chance: random.Random) -> Iterator[datetime]:
    """Taskiq's scheduler: asks pycron each minute."""
    is_now: Any = pycron.is_now
    return (due for due, moment in minutes(zone, start, end) if is_now(text, moment))


def minutes(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yields each minute after one and up to another one, in UTC, with a moment in it by the clocks of a zone."""
    day = start.replace(hour=0, minute=0)
    known = _minutes(zone, day, (end + DAY - day).days)
    first = round((start - day) / MINUTE) + 1
    return islice(known, first, first + round((end - start) / MINUTE))


@lru_cache(maxsize=2)
def _minutes(zone: ZoneInfo, since: datetime, days: int) -> Sequence[tuple[datetime, datetime]]:
    """Returns the minutes of some days; those that many expressions are followed for are computed once."""
    found = (since + number * MINUTE for number in range(days * 24 * 60 + 1))
    return [(minute, (minute + _SECONDS).astimezone(zone)) for minute in found]


def until(end: datetime, dues: Iterator[datetime]) -> Iterator[datetime]:
    """Yields due times as long as they are not later than `end`."""
    return takewhile(lambda due: due.astimezone(UTC) <= end, dues)


SIMULATED: Final[Mapping[str, Simulated]] = {
    "cron": by_cronsim,
    "croniter": by_rq,
    "apscheduler": by_apscheduler,
    "celery": by_beat,
    "huey": by_huey,
    "pycron": by_taskiq,
}
"""One scheduler of each dialect."""


class Difference(NamedTuple):
    """An expression whose due times are not those of its library.

    Args:
        text: The expression.
        zone: Its time zone.
        dues: The due times that only one of the two has.
    """

    text: str
    zone: str
    dues: tuple[datetime, ...]


class Comparison(NamedTuple):
    """What was compared.

    Args:
        dues: How many due times were equal.
        differences: Where they were not.
    """

    dues: int
    differences: tuple[Difference, ...]


def compare(dialect: str, name: str, change: datetime, chance: random.Random, expressions: int) -> Comparison:
    """Compares random expressions around a change of clocks, and for 30 days after.

    Args:
        dialect: One of `SIMULATED`.
        name: One of `CHANGES`.
        change: One of its changes.
        chance: Makes the expressions.
        expressions: How many.
    """
    zone, compared, differences = ZoneInfo(name), 0, list[Difference]()
    for _ in range(expressions):
        start = change - timedelta(days=1, minutes=chance.randrange(600))
        text = expression(chance)
        try:
            schedule = schedules.parse(text, name, start, dialect)
        except ScheduleError:
            continue  # a day that never comes
        end = start + timedelta(minutes=600) + DAYS * DAY
        expected = {due.astimezone(UTC) for due in until(end, SIMULATED[dialect](text, zone, start, end, chance))}
        found = set(until(end, schedule.after(start)))
        if found != expected:
            differences.append(Difference(text, name, tuple(sorted(found ^ expected))))
        compared += len(found & expected)
    return Comparison(compared, tuple(differences))
