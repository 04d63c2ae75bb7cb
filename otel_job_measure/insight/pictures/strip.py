"""The last runs of a job as a strip of bars, the newest at the right: each kind has a height and a form of its own."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from otel_job_measure.insight.pictures import svg
from otel_job_measure.insight.pictures.kinds import FAILED, KINDS, LOST, MISSED, OK, OPEN, Kind

_STEP: Final = 5
_WIDTH: Final = 3
_HEIGHT: Final = 18


def strip(kinds: Sequence[Kind], job: str, room: int = 20) -> str:
    """Returns the strip of the last runs.

    Args:
        kinds: The runs and the misses between them, the oldest first.
        job: The job's name.
        room: How many have a place.
    """
    shown = kinds[-room:]
    first = room - len(shown)
    paths: dict[Kind, list[str]] = {}
    for place, kind in enumerate(shown, first):
        paths.setdefault(kind, []).append(_form(kind, place * _STEP))
    parts = (svg.path("".join(paths[kind]), kind.name) for kind in KINDS if kind in paths)
    return svg.small((room * _STEP, _HEIGHT), f"The last runs of {job}", counted(shown), parts, "strip")


def counted(kinds: Sequence[Kind]) -> str:
    """Returns how many there are of each kind, and what the last one was."""
    if not kinds:
        return "No run is known."
    counts = Counter(kinds)
    each = ", ".join(f"{counts[kind]} {kind.word}" for kind in KINDS if counts[kind])
    return f"{each}; the last one: {kinds[-1].word}."


def _form(kind: Kind, x: int) -> str:
    """Returns the commands of one bar."""
    if kind is OK:
        return f"M{x} 6h{_WIDTH}v7h-{_WIDTH}z"
    if kind is FAILED:
        return f"M{x} 1h{_WIDTH}v16h-{_WIDTH}z"
    if kind is LOST:  # broken in the middle
        return f"M{x} 1h{_WIDTH}v6h-{_WIDTH}zM{x} 11h{_WIDTH}v6h-{_WIDTH}z"
    if kind is MISSED:  # hollow
        return f"M{x}.5 1.5h2v15h-2z"
    if kind is OPEN:  # an arrowhead
        return f"M{x} 5l4 4.5l-4 4.5z"
    return f"M{x} 9h{_WIDTH}v1.5h-{_WIDTH}z"
