"""Durations over time on a log scale: one mark a run, and lines for what most runs take."""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from otel_job_measure.insight.pictures import svg
from otel_job_measure.insight.pictures.axes import by_period, grid
from otel_job_measure.insight.pictures.kinds import FAILED, KINDS, LOST, Kind
from otel_job_measure.insight.pictures.picture import Picture
from otel_job_measure.insight.pictures.scales import Logarithm, Times
from otel_job_measure.insight.quantiles import nearest_rank
from otel_job_measure.insight.words import number, took

_HEIGHT: Final = 190
_TOP: Final = 10
_BASE: Final = 166
_CELLS: Final = 300
"""Marks of one kind in the same such part of the width, and the same two pixels of the height, are one."""
_NEAR: Final = 13


class Mark(NamedTuple):
    """One run.

    Args:
        at_ns: When it started.
        value_s: Its duration or its delay, in seconds.
        kind: How it ended.
    """

    at_ns: int
    value_s: float
    kind: Kind


def scatter(
    marks: Sequence[Mark], times: Times, title: str, lines: Mapping[str, float], least_s: float = 1e-6
) -> Picture:
    """Returns the picture.

    Args:
        marks: The runs, in any order.
        times: The time that is shown.
        title: What it shows.
        lines: Values, in seconds, with a line and a name each, in ascending order.
        least_s: Shorter ones are drawn as if they took so long.
    """
    inside = [mark for mark in marks if times.from_ns <= mark.at_ns <= times.until_ns and math.isfinite(mark.value_s)]
    scale = Logarithm([*(mark.value_s for mark in inside), *lines.values()], _TOP, _BASE - 4, least_s)
    ticks = scale.ticks()
    parts = [
        svg.group("grid", (svg.line(0, y, svg.WIDTH, y) for y, _ in ticks)),
        grid(times, _BASE, _HEIGHT),
        *(_marks(kind, inside, times, scale) for kind in KINDS),
        *_lines(lines, scale),
        svg.group("label scale", (svg.text(0.4, y - 3, label) for y, label in ticks)),
    ]
    ordered = sorted(mark.value_s for mark in inside)
    said = "No run with a known value."
    if ordered:
        named = "".join(f", {name} {took(value)}" for name, value in lines.items())
        span = f"from {took(ordered[0])} to {took(ordered[-1])}" if len(ordered) > 1 else took(ordered[0])
        said = f"{number(len(ordered))} run{'' if len(ordered) == 1 else 's'}, {span}{named}."
    return Picture(
        title=title,
        said=said,
        svg=svg.wide(_HEIGHT, title, said, parts, "scatter"),
        head=("from", "runs", "least", "median", "most"),
        rows=[
            (period, number(len(found)), *map(took, _three(sorted(mark.value_s for mark in found))))
            for period, found in by_period(inside, times, lambda mark: mark.at_ns)
        ],
    )


def _three(ordered: Sequence[float]) -> tuple[float | None, ...]:
    return ordered[0], nearest_rank(ordered, 50), ordered[-1]


def _marks(kind: Kind, marks: Sequence[Mark], times: Times, scale: Logarithm) -> str:
    """Returns the marks of one kind: circles, and squares for failures."""
    cells = {
        (round(times.x(mark.at_ns) / svg.WIDTH * _CELLS), round(scale.y(mark.value_s) / 2)): mark
        for mark in marks
        if mark.kind is kind
    }
    places = ((times.x(mark.at_ns), scale.y(mark.value_s)) for mark in cells.values())
    if kind in {FAILED, LOST}:
        return svg.group(kind.name, (svg.mark(x, y, 6, 6) for x, y in places), (-3, -3))
    return svg.group(kind.name, (svg.dot(x, y, 2) for x, y in places))


def _lines(lines: Mapping[str, float], scale: Logarithm) -> list[str]:
    """Returns a line for each value; names that would meet stand on both sides of their lines."""
    found: list[str] = []
    above: float | None = None
    for name, value in sorted(lines.items(), key=lambda each: -each[1]):
        y = scale.y(value)
        is_below = above is not None and y - above < _NEAR
        label = svg.text(99.6, y + 12 if is_below else y - 4, f"{name} {took(value)}", "end")
        found.append(svg.group("quantile", (svg.line(0, y, svg.WIDTH, y), label)))
        above = y
    return found
