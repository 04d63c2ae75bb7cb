"""The due times of a schedule, each evaluated once: a checker asks for those of the same days again and again."""

from array import array
from bisect import bisect_left
from typing import Final, NamedTuple

from otel_job_measure.expectations.schedules import Schedule
from otel_job_measure.timestamps import nanoseconds, utc

_KEPT: Final = 10_000
"""So many due times before those that are asked for are kept."""


class _Known(NamedTuple):
    """The due times from one time on, up to the last of them.

    Args:
        from_ns: That time.
        times: In ns since 1970, in ascending order.
        is_all: Whether none comes after them.
    """

    from_ns: int
    times: "array[int]"
    is_all: bool = False

    def covers(self, at_ns: int) -> bool:
        """Returns whether the due times from a time on begin here."""
        return self.from_ns <= at_ns and (self.is_all or (bool(self.times) and at_ns <= self.times[-1]))


class DueTimes:
    """The due times of one schedule. Threads may share it: what is known is replaced in one step."""

    __slots__ = ("_known", "_schedule")

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._known = _Known(0, array("q"))

    def between(self, from_ns: int, until_ns: int, most: int) -> list[int]:
        """Returns the due times from one time up to the first one at or after another, in ns since 1970.

        There are not more than one above `most`.
        """
        known = self._known
        if not known.covers(from_ns):
            known = _Known(from_ns, array("q"))
        known = self._known = self._further(known, from_ns, until_ns, most)
        first = bisect_left(known.times, from_ns)
        last = bisect_left(known.times, until_ns) + 1
        return known.times[first : min(last, first + most + 1)].tolist()

    def _further(self, known: _Known, from_ns: int, until_ns: int, most: int) -> _Known:
        """Returns what is known with the due times that are missing."""
        first = bisect_left(known.times, from_ns)
        if known.is_all or (known.times and (known.times[-1] >= until_ns or len(known.times) - first > most)):
            return known
        before = max(0, first - _KEPT)
        times = known.times[before:]
        after = utc(times[-1]) if times else utc(known.from_ns - 1)
        for due in self._schedule.after(after):
            times.append(nanoseconds(due))
            if times[-1] >= until_ns or len(times) - (first - before) > most:
                return _Known(times[0] if before else known.from_ns, times)
        return _Known(times[0] if before else known.from_ns, times, is_all=True)
