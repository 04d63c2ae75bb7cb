"""Counts as horizontal bars, each with its name and its number."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from otel_job_measure.insight.pictures import svg
from otel_job_measure.insight.pictures.picture import Picture
from otel_job_measure.insight.words import ends, number
from otel_job_measure.printable import printable

_ROW: Final = 34
_BAR: Final = 8
_MOST_NAME: Final = 48
_MOST_OF: Final = 22


class Bar(NamedTuple):
    """One count.

    Args:
        name: What is counted.
        number: How many.
        last: When it last was, in words.
        of: Whose it is; empty if all are of one.
    """

    name: str
    number: int
    last: str
    of: str = ""

    @property
    def whole(self) -> str:
        """What is counted, and whose it is."""
        return f"{self.of} · {self.name}" if self.of else self.name

    def label(self) -> str:
        """Returns what there is room for: a long owner loses its middle."""
        shown = self._replace(of=ends(self.of, _MOST_OF), name=printable(self.name))
        return shown.whole if len(shown.whole) <= _MOST_NAME else f"{shown.whole[: _MOST_NAME - 1]}…"


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
        texts = svg.text(0, y + 13, bar.label()), svg.text(svg.WIDTH, y + 13, number(bar.number), "end")
        parts.append(svg.group("name", texts))
        parts.append(svg.group("failed", (svg.box(0, y + 18, max(0.5, svg.WIDTH * bar.number / top), _BAR),)))
    said = "; ".join(f"{bar.label()}: {number(bar.number)}" for bar in shown) or "There are none"
    if len(counts) > most:
        said += f"; and {number(len(counts) - most)} more in the table"
    return Picture(
        title=title,
        said=f"{said}.",
        svg=svg.wide(max(1, len(shown)) * _ROW, title, f"{said}.", parts, "bars"),
        head=("what", "runs", "last"),
        rows=[(bar.whole, number(bar.number), bar.last) for bar in counts],
    )
