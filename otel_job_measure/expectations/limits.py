"""What people declare of a job, checked: schedules, durations and limits as they write them become an `Expectation`.

A wrong limit never stops a job. So `checked` keeps the limits that are right, and returns a line for each wrong one.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from otel_job_measure import names
from otel_job_measure.errors import MissingDependencyError, ScheduleError
from otel_job_measure.expectations import schedules
from otel_job_measure.expectations.durations import in_words, seconds_of
from otel_job_measure.expectations.expectation import Expectation, Scope
from otel_job_measure.expectations.local_zone import local_zone
from otel_job_measure.expectations.schedules import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What is right in a declaration, and a line for each thing that is wrong."""

    expectation: Expectation
    problems: tuple[tuple[str, str], ...] = ()
    """The limit's name, and what is wrong with it."""

    @property
    def usable(self) -> Expectation | None:
        """The expectation; None if all that was declared is wrong."""
        return None if self.problems and self.expectation.is_empty else self.expectation


_MOST_S: Final = 3660 * 86_400.0
_MOST_FAILURES: Final = 1000
_SHOWN: Final = 80
_LEAST_S: Final = {
    "every": 1.0,
    "grace": 1.0,
    "max_runtime": 0.001,
    "min_runtime": 0.001,
    "min_interval": 0.001,
    "max_age": 1.0,
}
_BESIDE_GAP: Final = ("grace", "min_interval", "max_age")
_SAME_MINUTE_S: Final = 60.0
"""The least default grace, which a schedule of each minute has too."""


class _WrongError(ValueError):
    """A value is not one that a limit takes."""


def checked(given: Mapping[str, object], now: datetime, *, scope: Scope = "any") -> Checked:
    """Returns the expectation that a declaration means; None as a value means unset.

    A schedule without a due time after `now`, an aware datetime, is refused. A schedule without a time zone has this
    machine's. `scope` is that of a declaration that has none.
    """
    values: dict[str, object] = {}
    problems: list[tuple[str, str]] = []
    for name, value in given.items():
        if value is None:
            continue
        try:
            values[name] = _converted(name, value)
        except _WrongError as wrong:
            problems.append((name, f"{name[:_SHOWN]}={_shown(value)}: {wrong}"))
    if any(given.get(name) is not None and name not in values for name in ("timezone", "dialect")):
        values.pop("schedule", None)  # in another zone it would mean other times
    parsed = _schedule(values, now, problems)
    gap_s = _shortest_gap_s(values, parsed, now)
    for limits, why in list(_contradictions(values, given, gap_s)):
        problems.append((limits[0], f"{_said(limits, given)}: {why}"))
        for name in limits:
            values.pop(name, None)
    _drop_what_hangs(values)
    return Checked(expectation=_expectation(values, scope), problems=tuple(problems))


def near(name: str, known: Iterable[str]) -> str:
    """Returns a hint at the known name that is nearest to a wrong one; empty if there is none."""
    found = difflib.get_close_matches(name[:_SHOWN], list(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _converted(name: str, value: object) -> object:
    if name in _LEAST_S:
        return _duration(value, _LEAST_S[name])
    if name == "failures":
        return _count(value)
    if name == "scope":
        if value not in ("any", "host"):
            raise _WrongError("it takes any (a run on any host counts) or host (each host has due times of its own)")
        return value
    if name not in names.LIMITS:
        raise _WrongError(f"there is no such limit{near(name, names.LIMITS)}; there are {', '.join(names.LIMITS)}")
    if not isinstance(value, str) or not value.strip():
        raise _WrongError(f"it takes {_TEXTS[name]}")
    if name == "timezone":
        try:
            schedules.zone_named(value.strip())
        except ScheduleError as error:
            raise _WrongError(str(error)) from None
    return value.strip()


_TEXTS: Final = {
    "schedule": "cron (5 2 * * *), @daily or OnCalendar (Mon..Fri 08:00)",
    "dialect": f"one of {', '.join(schedules.DIALECTS)}",
    "timezone": "an IANA name such as Europe/Berlin",
}


def _duration(value: object, least_s: float) -> float:
    found = seconds_of(value)
    if found is None or not least_s <= found <= _MOST_S:
        raise _WrongError(
            f"it takes a time from {in_words(least_s)} to ten years, such as 90s, 30m, 1h 30m, 7d, "
            "or a number of seconds"
        )
    return found


def _count(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(_MOST_FAILURES)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_FAILURES:
        raise _WrongError(f"it takes a number of failures in a row, from 1 to {_MOST_FAILURES}")
    return value


def _schedule(values: dict[str, object], now: datetime, problems: list[tuple[str, str]]) -> Schedule | None:
    """Parses the schedule; if it is wrong, it is taken out of the values."""
    text, dialect = cast("str | None", values.get("schedule")), cast("str | None", values.get("dialect"))
    if text is None:
        return None
    try:
        return schedules.parse(text, cast("str", values.setdefault("timezone", local_zone())), now, dialect)
    except (ScheduleError, MissingDependencyError) as error:
        problems.append(("schedule", f"schedule={_shown(text)}: {error}"))
        del values["schedule"]
        return None


def _contradictions(
    values: Mapping[str, object], given: Mapping[str, object], gap_s: float | None
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yields limits that contradict each other, and why; all of them are left out."""
    if "schedule" in values and "every" in values:
        yield ("every", "schedule"), "a job has either a schedule or an interval"
    if given.get("schedule") is None:
        for name in ("timezone", "dialect"):
            if name in values:
                yield (name,), "it means nothing without schedule"
        if "grace" in values and given.get("every") is None:
            yield ("grace",), "it means nothing without schedule or every"
    numbers = cast("Mapping[str, float]", values)
    if "min_runtime" in values and numbers["min_runtime"] > numbers.get("max_runtime", _MOST_S):
        yield ("min_runtime", "max_runtime"), "no run can take at least the one and at most the other"
    if gap_s is not None:
        yield from _beside_gap(numbers, gap_s)


def _beside_gap(numbers: Mapping[str, float], gap_s: float) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yields limits that contradict the time between two due times."""
    apart = f"the job is due every {in_words(gap_s)}"
    if numbers.get("grace", 0.0) >= max(gap_s, _SAME_MINUTE_S + 1):
        yield ("grace",), f"{apart}, so a late run would count for the next due time; it takes less than that"
    if numbers.get("min_interval", 0.0) > gap_s:
        yield ("min_interval",), f"{apart}, so each run in time would be too early"
    if numbers.get("max_age", _MOST_S) < gap_s:
        yield ("max_age",), f"{apart}, so each success would be too old before the next run"


def _drop_what_hangs(values: dict[str, object]) -> None:
    """Takes out what belongs to a schedule that was wrong."""
    if "schedule" not in values:
        values.pop("timezone", None)
        values.pop("dialect", None)
        if "every" not in values:
            values.pop("grace", None)


def _shortest_gap_s(values: Mapping[str, object], schedule: Schedule | None, now: datetime) -> float | None:
    if values.keys().isdisjoint(_BESIDE_GAP):
        return None  # a look at a year of due times
    if schedule is not None:
        return schedule.gap_s(now)
    return cast("float | None", values.get("every"))


def _said(limits: Iterable[str], given: Mapping[str, object]) -> str:
    return " with ".join(f"{name}={_shown(given.get(name))}" for name in limits)


def _shown(value: object) -> str:
    try:
        text = str(value) if isinstance(value, timedelta) else ascii(value)
    except Exception:  # noqa: BLE001 - an object of the app's own
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _expectation(values: Mapping[str, object], scope: Scope) -> Expectation:
    renamed = {f"{name}_s" if name in _LEAST_S else name: value for name, value in values.items()}
    renamed.setdefault("scope", scope)
    return Expectation(**renamed)  # type: ignore[arg-type]  # checked above
