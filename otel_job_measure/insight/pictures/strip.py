"""The last runs of a job as a strip of bars, the newest at the right: each kind has a height and a form of its own."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from otel_job_measure.insight.pictures import svg
from otel_job_measure.insight.pictures.kinds import KINDS, LOST, MISSED, OK, OPEN, Kind

_STEP: Final = 5
_GAP: Final = 2
_HEIGHT: Final = 18


def strip(kinds: Sequence[Kind], job: str, room: int = 20) -> str:
    """Returns the strip of the last runs.

    Args:
        kinds: The runs and the misses between them, the oldest first.
        job: The job's name.
        room: How many have a place.
    """
    shown = kinds[-room:]
    place = room - len(shown)
    paths: dict[Kind, list[str]] = {}
    for kind, alike in groupby(shown):
        count = len(list(alike))
        paths.setdefault(kind, []).append(_bars(kind, place, count))
        place += count
    parts = (svg.path("".join(paths[kind]), kind.name) for kind in KINDS if kind in paths)
    return svg.small((room * _STEP, _HEIGHT), f"The last runs of {job}", counted(shown), parts, "strip")


def counted(kinds: Sequence[Kind]) -> str:
    """Returns how many there are of each kind, and what the last one was."""
    if not kinds:
        return "No run is known."
    counts = Counter(kinds)
    each = ", ".join(f"{counts[kind]} {kind.word}" for kind in KINDS if counts[kind])
    return f"{each}; the last one: {kinds[-1].word}."


def _bars(kind: Kind, place: int, count: int) -> str:
    """Returns the commands of bars of one kind in a row.

    Full bars are the dashes of one thick line: a strip of hundreds of bytes would make a page of all jobs large.
    """
    x, end = place * _STEP, (place + count) * _STEP - _GAP
    if kind is OPEN:  # an arrowhead
        return "".join(f"M{each} 5l4 4.5l-4 4.5z" for each in range(x, end, _STEP))
    if kind is MISSED:  # hollow
        return "".join(f"M{each}.5 1.5h2v15h-2z" for each in range(x, end, _STEP))
    if kind is LOST:  # broken in the middle
        return f"M{x} 4H{end}M{x} 14H{end}"
    return f"M{x} {9.5 if kind is OK else 9}H{end}"
