"""When a job was and will be due: by the versions of its schedule, or by the lists of its scheduler.

A due time belongs to the version that was in force then. None lies before the job was first seen, none after it was
retired. Skipped due times are among them, with the skip that says so.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from otel_job_measure.errors import MissingDependencyError, ScheduleError
from otel_job_measure.expectations import schedules
from otel_job_measure.expectations.due_times import DueTimes
from otel_job_measure.expectations.expectation import DueList, ExpectedJob, Skip, Version
from otel_job_measure.expectations.schedules import Schedule, default_grace_s
from otel_job_measure.timestamps import EPOCH

MOST: Final = 50_000
"""How many due times one question returns at most; what comes later counts as unknown."""
_DAY_NS: Final = 86_400 * 10**9
_MOST_PARSED: Final = 20_000
_LAST_NS: Final = 2**63 - 1
_BEFORE_NS: Final = 300 * 10**9
"""How far back a due time before the asked span is looked for: a start belongs to the nearest one, to a minute."""


class Due(NamedTuple):
    """One due time.

    Args:
        at_ns: When the job is due, in ns since 1970.
        grace_s: How long after it a start is in time.
        gap_s: The seconds to the nearest other due time, exact below five minutes.
        skip: Why a run need not come; None if it must.
    """

    at_ns: int
    grace_s: float
    gap_s: float
    skip: Skip | None = None


class Dues(NamedTuple):
    """The due times of a span, in ascending order, and how far they are known.

    Args:
        dues: Those after the span's begin, up to its end.
        known_until_ns: What is due later than this is unknown.
        why: Why it is unknown; empty if all is known.
    """

    dues: tuple[Due, ...]
    known_until_ns: int
    why: str = ""


def dues(job: ExpectedJob, after_ns: int, until_ns: int) -> Dues:
    """Returns the due times of a job after one time and up to another, both in ns since 1970.

    An interval (`every`) has none here: its next due time depends on the last run, see `due_after_start`.
    """
    found: list[Due] = []
    for version, from_ns, to_ns in _in_force(job):
        low, high = max(from_ns, after_ns + 1), min(to_ns, until_ns + 1)  # from the one, before the other
        if low >= high:
            continue
        if version.expectation.by_scheduler:
            part = _of_lists(job.due_lists, version, low, high)
        elif version.expectation.schedule is not None:
            part = _of_schedule(version, low, high, MOST - len(found))
        else:
            continue
        found += part.dues
        if part.why:
            return Dues(_with_skips(job, found), part.known_until_ns, part.why)
    return Dues(_with_skips(job, found), until_ns)


def due_after_start(job: ExpectedJob, start_ns: int | None, at_ns: int) -> Due | None:
    """Returns when a job with an interval is due next, by its version at a time: the last scheduled start + `every`.

    Without a run (`start_ns` is None) it counts from when the job was first seen. None means that it has no interval.
    """
    for version, from_ns, to_ns in _in_force(job):
        every_s = version.expectation.every_s
        if from_ns <= at_ns < to_ns and every_s is not None:
            every_ns = int(every_s * 1e9)
            # A run long before this version makes nothing due before it.
            last_ns = from_ns if start_ns is None or start_ns + every_ns < from_ns else start_ns
            due_ns = last_ns + every_ns
            grace_s = version.expectation.grace_s
            grace_s = default_grace_s(every_s) if grace_s is None else grace_s
            return _skipped(job, Due(due_ns, grace_s, every_s)) if due_ns < to_ns else None
    return None


def in_force(job: ExpectedJob, at_ns: int) -> Version | None:
    """Returns the version of an expectation at a time; None before it was seen and after it was retired."""
    return next((version for version, from_ns, to_ns in _in_force(job) if from_ns <= at_ns < to_ns), None)


def _in_force(job: ExpectedJob) -> Iterator[tuple[Version, int, int]]:
    """Yields each version with the time from which it is in force, and before which."""
    end_ns = _LAST_NS if job.retired_ns is None else job.retired_ns
    for version, later in pairwise((*job.versions, None)):
        assert version is not None  # noqa: S101 - only the last one is None
        from_ns, to_ns = max(version.since_ns, job.first_seen_ns), end_ns if later is None else later.since_ns
        if from_ns < min(to_ns, end_ns):
            yield version, from_ns, min(to_ns, end_ns)


def _of_schedule(version: Version, low: int, high: int, most: int) -> Dues:
    """Returns the due times of a version with a schedule, from one time and before another."""
    expectation = version.expectation
    try:
        day_ns = version.since_ns // _DAY_NS * _DAY_NS
        schedule = _parsed(expectation.schedule or "", expectation.timezone or "UTC", expectation.dialect, day_ns)
    except (ScheduleError, MissingDependencyError) as error:
        return Dues((), low - 1, str(error))
    grace_s = _grace_s(schedule, day_ns) if expectation.grace_s is None else expectation.grace_s
    times = _times_of(schedule).between(low - _BEFORE_NS, high, most)
    found = _between(times, grace_s, low, high)
    if len(times) > most and times[-1] < high:
        return Dues(found, times[-1], f"more than {MOST} due times were asked for")
    return Dues(found, high - 1)


def _of_lists(lists: tuple[DueList, ...], version: Version, low: int, high: int) -> Dues:
    """Returns the due times that a scheduler said; a newer list replaces an older one from its begin on."""
    times: list[int] = []
    known_ns = low - 1
    for due_list in lists:
        del times[bisect_right(times, due_list.from_ns - 1) :]
        times += due_list.dues_ns
        known_ns = due_list.until_ns
    grace_s = version.expectation.grace_s
    if grace_s is None:
        gaps_s = [(late - early) / 1e9 for early, late in pairwise(times) if late > early]
        grace_s = default_grace_s(min(gaps_s, default=None))
    found = _between(times, grace_s, low, high)
    if known_ns >= high - 1:
        return Dues(found, high - 1)
    return Dues(found, max(known_ns, low - 1), "the scheduler has not said any later due times")


def _between(times: Sequence[int], grace_s: float, low: int, high: int) -> tuple[Due, ...]:
    """Returns those due times that lie from one time and before another, with their gaps."""
    found: list[Due] = []
    for index, at_ns in enumerate(times):
        if low <= at_ns < high:
            gaps = [abs(times[near] - at_ns) for near in (index - 1, index + 1) if 0 <= near < len(times)]
            found.append(Due(at_ns, grace_s, min(gaps, default=86_400 * 10**9) / 1e9))
    return tuple(found)


def _with_skips(job: ExpectedJob, found: list[Due]) -> tuple[Due, ...]:
    return tuple(_skipped(job, due) for due in found) if job.skips else tuple(found)


def _skipped(job: ExpectedJob, due: Due) -> Due:
    skip = next((skip for skip in job.skips if skip.from_ns <= due.at_ns < skip.until_ns), None)
    return due if skip is None else due._replace(skip=skip)


@lru_cache(maxsize=_MOST_PARSED)
def _parsed(text: str, timezone: str, dialect: str | None, since_ns: int) -> Schedule:
    """Parses a schedule as of the day of its version: one of a single date is no mistake after that date."""
    return schedules.parse(text, timezone, _at(since_ns), dialect)


@lru_cache(maxsize=_MOST_PARSED)
def _times_of(schedule: Schedule) -> DueTimes:
    return DueTimes(schedule)


@lru_cache(maxsize=_MOST_PARSED)
def _grace_s(schedule: Schedule, since_ns: int) -> float:
    """Returns the default grace as of the day of the schedule's version, so that each checker finds the same."""
    return schedule.grace_s(_at(since_ns))


def _at(time_ns: int) -> datetime:
    """Returns a time as a datetime, rounded up: no due time before it is taken for a later one."""
    return EPOCH + timedelta(microseconds=-(-time_ns // 1000) - 1)
