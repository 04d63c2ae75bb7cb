"""Scales: a time or a duration as a place, and where their lines stand."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from otel_job_measure.insight.pictures.svg import WIDTH

NS: Final = 10**9
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STEPS: Final = (
    *(1, 5, 15, 30),
    *(_MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, 91 * _DAY, 365 * _DAY, 3650 * _DAY, 36_500 * _DAY),
)
_LINES: Final = 6
_NOON: Final = 12
_DURATIONS: Final = (
    *(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0),
    *(60.0, 600.0, 3600.0, 6 * 3600.0, 86_400.0, 864_000.0, 8_640_000.0, 86_400_000.0),
)
_FINER: Final = (
    *(digit * 10.0**power for power in range(-6, 1) for digit in (1, 2, 5)),
    *(10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0),
    *(hours * 3600.0 for hours in (1, 2, 4, 8, 12)),
    *(days * 86_400.0 for days in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)
_FEW: Final = 3
_LABELS: Final = (
    (1e-3, 1e6, "µs"),
    (1.0, 1e3, "ms"),
    (60.0, 1.0, "s"),
    (3600.0, 1 / 60, "min"),
    (86_400.0, 1 / 3600, "h"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The x axis: a time as a percentage of the width.

    Args:
        from_ns: The left end, in ns since 1970.
        until_ns: The right end.
        zone: The zone of the labels; the local one if none is given.
    """

    from_ns: int
    until_ns: int
    zone: tzinfo | None = None

    def x(self, at_ns: int) -> float:
        """Returns the place of a time; one outside is at the nearer end."""
        span = max(1, self.until_ns - self.from_ns)
        return WIDTH * min(1.0, max(0.0, (at_ns - self.from_ns) / span))

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yields the lines, at round times of the zone, each with its label."""
        step = self.step_s()
        for at in self.marks(step):
            yield self.x(_ns(at)), _label(at, step)

    def step_s(self) -> int:
        """Returns how many seconds are from line to line."""
        span_s = max(1.0, (self.until_ns - self.from_ns) / NS)
        return next((step for step in _STEPS if span_s / step <= _LINES + 1), _STEPS[-1])

    def marks(self, step_s: int) -> Iterator[datetime]:
        """Yields the round times that are so many seconds apart."""
        begin = self.at(self.from_ns)
        if step_s >= _DAY:
            first = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        else:
            midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
            passed = (begin - midnight).seconds // step_s * step_s
            first = midnight + timedelta(seconds=passed)
        at = first
        for _ in range(2 * _LINES + 4):
            at_ns = _ns(at)
            if at_ns > self.until_ns:
                return
            if at_ns >= self.from_ns:
                yield at
            try:
                at = self._local(at + timedelta(seconds=step_s), is_day=step_s >= _DAY)
            except (OverflowError, ValueError, OSError):  # the end of the calendar
                return

    def at(self, at_ns: int) -> datetime:
        """Returns a time of the zone."""
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_ns // NS)).astimezone(self.zone)

    def _local(self, at: datetime, *, is_day: bool) -> datetime:
        """Returns a time with the offset that the zone has then; a day begins at midnight on both sides of a change."""
        moved = at.astimezone(self.zone)
        if is_day and moved.hour:
            moved += timedelta(hours=24 - moved.hour if moved.hour > _NOON else -moved.hour)
            return moved.replace(minute=0, second=0).astimezone(self.zone)
        return moved


def _ns(at: datetime) -> int:
    passed = at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * _DAY + passed.seconds) * NS


def _label(at: datetime, step_s: int) -> str:
    if step_s >= 365 * _DAY:
        return f"{at:%Y}"
    if step_s >= _DAY:
        return f"{at:%a} {at.day} {at:%b}"
    if step_s < _MINUTE:
        return f"{at:%H:%M:%S}"
    return f"{at:%a} {at.day}" if (at.hour, at.minute) == (0, 0) else f"{at:%H:%M}"


class Logarithm:
    """The y axis: a duration in seconds as a place in pixels, on a log scale.

    Args:
        values: What has to have a place; the ends are a little further out.
        top: The y of the upper end.
        bottom: The y of the lower end.
        least: No duration below this one is told from it.
    """

    def __init__(self, values: Sequence[float], top: float, bottom: float, least: float = 1e-6) -> None:
        known = [max(least, value) for value in values if math.isfinite(value)] or [1.0]
        low, high = math.log10(min(known)), math.log10(max(known))
        middle, half = (low + high) / 2, max(0.35, (high - low) / 2 * 1.12)
        self._low, self._high = middle - half, middle + half
        self._top, self._bottom = top, bottom
        self._least = least

    def y(self, value: float) -> float:
        """Returns the place of a duration."""
        given = math.log10(min(1e12, max(self._least, value))) if not math.isnan(value) else self._low
        part = (given - self._low) / (self._high - self._low)
        return self._bottom - min(1.0, max(0.0, part)) * (self._bottom - self._top)

    def ticks(self) -> list[tuple[float, str]]:
        """Returns the lines with their labels, at most five."""
        inside = self._inside(_DURATIONS)
        if len(inside) < _FEW:
            inside = self._inside(_FINER)
        every = -(-len(inside) // 5) or 1
        return [(self.y(value), _duration(value)) for value in inside[::every]]

    def _inside(self, values: Sequence[float]) -> list[float]:
        # The lines of durations below the least one would all stand where that stands.
        return [value for value in values if value >= self._least and self._low <= math.log10(value) <= self._high]


def _duration(value: float) -> str:
    """Returns a round duration, as short as it can be."""
    return next(
        (f"{value * per_s:g} {unit}" for bound, per_s, unit in _LABELS if value < bound), f"{value / 86_400:g} d"
    )
