"""The durations of the last runs of a job as one line, on a log scale."""

from collections.abc import Sequence
from typing import Final

from otel_job_measure.insight.pictures import svg
from otel_job_measure.insight.pictures.scales import Logarithm
from otel_job_measure.insight.words import took

_WIDTH: Final = 100
_HEIGHT: Final = 24
_EDGE: Final = 3


def sparkline(durations_s: Sequence[float], job: str, most: int = 30) -> str:
    """Returns the line of the last durations.

    Args:
        durations_s: In seconds, the oldest first.
        job: The job's name.
        most: How many have a place.
    """
    shown = list(durations_s[-most:])
    if not shown:
        return svg.small((_WIDTH, _HEIGHT), f"Durations of {job}", "No duration is known.", (), "spark")
    scale = Logarithm(shown, _EDGE, _HEIGHT - _EDGE)
    step = (_WIDTH - 2 * _EDGE) / max(1, len(shown) - 1)
    places = [(_WIDTH - _EDGE - step * (len(shown) - 1 - at), scale.y(value)) for at, value in enumerate(shown)]
    points = " ".join(f"{svg.number(round(x, 1))} {svg.number(round(y, 1))}" for x, y in places)
    line = svg.path(f"M{points}", "line") if len(places) > 1 else ""
    x, y = (svg.number(round(place, 1)) for place in places[-1])
    last = f'<circle class="last" cx="{x}" cy="{y}" r="2"/>'
    said = f"From {took(min(shown))} to {took(max(shown))}; the last one took {took(shown[-1])}."
    return svg.small((_WIDTH, _HEIGHT), f"Durations of {job}", said, (line, last), "spark")
