"""What pictures over time share: the lines of the time axis, and the periods of the table."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from otel_job_measure.insight.pictures import svg
from otel_job_measure.insight.pictures.scales import NS, Times

_T = TypeVar("_T")
_LABEL: Final = 4
_EDGE: Final = 6.0
_MOST_PERIODS: Final = 40


def grid(times: Times, base: float, height: float) -> str:
    """Returns the time axis: a line at `base`, and lines at round times with their labels below."""
    ticks = list(times.ticks())
    lines = (svg.line(x, 0, x, base) for x, _ in ticks)
    labels = (svg.text(x, height - _LABEL, label, _anchor(x)) for x, label in ticks)
    return svg.group("grid", (*lines, svg.line(0, base, svg.WIDTH, base))) + svg.group("label", labels)


def by_period(found: Iterable[_T], times: Times, at: Callable[[_T], int]) -> list[tuple[str, Sequence[_T]]]:
    """Returns what is found in each period between the lines of the time axis, with the begin of the period."""
    step_s = times.step_s()
    begins = [times.from_ns, *(int(each.timestamp()) * NS for each in times.marks(step_s))]
    begins = sorted({each for each in begins if each <= times.until_ns})[-_MOST_PERIODS:]
    periods: list[list[_T]] = [[] for _ in begins]
    for each in sorted(found, key=at):
        place = sum(begin <= at(each) for begin in begins) - 1
        periods[max(0, place)].append(each)
    return [
        (f"{times.at(begin):%Y-%m-%d %H:%M}", period) for begin, period in zip(begins, periods, strict=True) if period
    ]


def _anchor(x: float) -> str:
    return "start" if x < _EDGE else "end" if x > svg.WIDTH - _EDGE else "middle"
