"""Counts as horizontal bars, each with its name and its number."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from otel_job_measure.insight.pictures import svg
from otel_job_measure.insight.pictures.picture import Picture
from otel_job_measure.insight.words import number
from otel_job_measure.printable import printable

_ROW: Final = 34
_BAR: Final = 8
_HEAD: Final = 15
_TAIL: Final = 32
"""Of a long name so much is shown of its begin and its end, which often is all in which names differ."""


class Bar(NamedTuple):
    """One count.

    Args:
        name: What is counted.
        number: How many.
        last: When it last was, in words.
    """

    name: str
    number: int
    last: str


def bars(counts: Sequence[Bar], title: str, most: int = 8) -> Picture:
    """Returns the picture of the first counts; the table has all of them.

    Args:
        counts: The greatest first.
        title: What it shows.
        most: How many are drawn.
    """
    shown = counts[:most]
    top = max((bar.number for bar in shown), default=1)
    parts: list[str] = []
    for place, bar in enumerate(shown):
        y = place * _ROW
        texts = svg.text(0, y + 13, _cut(bar.name)), svg.text(svg.WIDTH, y + 13, number(bar.number), "end")
        parts.append(svg.group("name", texts))
        parts.append(svg.group("failed", (svg.box(0, y + 18, max(0.5, svg.WIDTH * bar.number / top), _BAR),)))
    said = "; ".join(f"{bar.name}: {number(bar.number)}" for bar in shown) or "There are none"
    if len(counts) > most:
        said += f"; and {number(len(counts) - most)} more in the table"
    return Picture(
        title=title,
        said=f"{said}.",
        svg=svg.wide(max(1, len(shown)) * _ROW, title, f"{said}.", parts, "bars"),
        head=("what", "runs", "last"),
        rows=[(bar.name, number(bar.number), bar.last) for bar in counts],
    )


def _cut(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= _HEAD + 1 + _TAIL else f"{shown[:_HEAD]}…{shown[-_TAIL:]}"
