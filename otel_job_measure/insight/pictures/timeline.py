"""The runs of one job over time, with a gap drawn for each time at which a run is missing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from otel_job_measure.insight.pictures import svg
from otel_job_measure.insight.pictures.axes import by_period, grid
from otel_job_measure.insight.pictures.kinds import (
    FAILED,
    KINDS,
    LOST,
    MISSED,
    OK,
    OPEN,
    SKIPPED,
    UNCOUNTED,
    UNSURE,
    Kind,
)
from otel_job_measure.insight.pictures.picture import Picture
from otel_job_measure.insight.pictures.scales import Times
from otel_job_measure.insight.words import number

_HEIGHT: Final = 76
_TOP: Final = 8
_BASE: Final = 48
_PARTS: Final = 720
"""Two runs closer than such a part of the width are one mark."""
_HEIGHTS: Final = {OK: 16, UNCOUNTED: 8, SKIPPED: 4, OPEN: 22, UNSURE: 28, FAILED: 40, LOST: 40, MISSED: 40}
_GAPS: Final = (MISSED, UNSURE)
_ORDER: Final = (*_GAPS, *(kind for kind in KINDS if kind not in _GAPS))
"""In this order they are drawn: a run that came late is seen in its gap."""
_LABEL: Final = 4.0
"""The least width, in percent, of a gap that has its number beside it."""


class Stretch(NamedTuple):
    """A run, or a time without the run that was due.

    Args:
        kind: What it is.
        from_ns: When it began, or the first due time.
        until_ns: When it ended, or until when the run was missing.
        dues: How many due times it stands for.
    """

    kind: Kind
    from_ns: int
    until_ns: int
    dues: int = 1


def timeline(stretches: Sequence[Stretch], times: Times, title: str) -> Picture:
    """Returns the picture.

    Args:
        stretches: The runs and the gaps, in any order.
        times: The time that is shown.
        title: What it shows.
    """
    inside = [each for each in stretches if each.until_ns >= times.from_ns and each.from_ns <= times.until_ns]
    merged = {kind: _merged((each for each in inside if each.kind is kind), times) for kind in _ORDER}
    parts = [grid(times, _BASE, _HEIGHT)]
    for kind, places in merged.items():
        height = _HEIGHTS[kind]
        parts.append(svg.group(kind.name, (svg.box(x, _BASE - height, width, height) for x, width, _ in places)))
    for kind in _GAPS:
        wide = (
            svg.text(x + width / 2, _BASE - 24, str(count), "middle")
            for x, width, count in merged[kind]
            if width > _LABEL
        )
        parts.append(svg.group(f"{kind.name}-count", wide))
    counts = Counter[Kind]()
    for each in inside:
        counts[each.kind] += each.dues
    said = ", ".join(f"{number(counts[kind])} {kind.word}" for kind in KINDS if counts[kind])
    said = f"{said or 'nothing is known of this time'}.".capitalize()
    return Picture(
        title=title,
        said=said,
        svg=svg.wide(_HEIGHT, title, said, parts, "timeline"),
        head=("from", *(kind.word for kind in KINDS if counts[kind])),
        rows=[
            (period, *(str(sum(each.dues for each in found if each.kind is kind)) for kind in KINDS if counts[kind]))
            for period, found in by_period(inside, times, lambda each: each.from_ns)
        ],
    )


def _merged(stretches: Iterable[Stretch], times: Times) -> list[tuple[float, float, int]]:
    """Returns the places and widths of the marks of one kind; those that would touch are one."""
    found: list[tuple[float, float, int]] = []
    least = svg.WIDTH / _PARTS
    for each in sorted(stretches, key=lambda each: each.from_ns):
        x, end = times.x(each.from_ns), times.x(each.until_ns)
        if found and each.kind not in _GAPS and x - (found[-1][0] + found[-1][1]) < least / 2:
            begin, width, count = found[-1]
            found[-1] = (begin, max(width, end - begin), count + each.dues)
        else:
            found.append((x, max(least, end - x), each.dues))
    return found
