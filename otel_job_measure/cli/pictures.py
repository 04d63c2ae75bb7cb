"""Small pictures in a line of text: a mark for each of the last runs, and their durations as bars."""

import math
from collections.abc import Sequence
from typing import Final

from rich.text import Text

from otel_job_measure import names
from otel_job_measure.history.mark import Mark
from otel_job_measure.history.run_record import RUNNING

_MARKS: Final = {"good": ("▪", "green"), "bad": ("✗", "bold red"), "open": ("▸", "yellow"), "other": ("▫", "dim")}
_PLAIN: Final = {"good": ".", "bad": "x", "open": ">", "other": "-"}
_BARS: Final = "▁▂▃▄▅▆▇█"
_PLAIN_BARS: Final = "_.-=+*%#"
LEGEND: Final = "▪ ok  ✗ failed  ▸ running  ▫ says nothing about the job"


def strip(runs: Sequence[Mark], width: int, *, unicode: bool) -> Text:
    """Returns a mark for each of the last runs, the newest at the right."""
    found = Text()
    for run in runs[-width:]:
        kind = _kind(run)
        mark, style = _MARKS[kind]
        found.append(mark if unicode else _PLAIN[kind], style)
    return found


def bars(runs: Sequence[Mark], width: int, *, unicode: bool) -> Text:
    """Returns the durations of the last runs as bars, on a logarithmic scale of at least a factor of 2."""
    durations = [max(run.duration_s, 1e-6) for run in runs if run.duration_s is not None][-width:]
    if not durations:
        return Text()
    letters = _BARS if unicode else _PLAIN_BARS
    low, high = math.log(min(durations)), math.log(max(durations))
    spare = max(0.0, math.log(2) - (high - low)) / 2  # durations that hardly differ look equal
    low, high = low - spare, high + spare
    steps = len(letters) - 1
    return Text("".join(letters[round((math.log(each) - low) / (high - low) * steps)] for each in durations), "cyan")


def _kind(run: Mark) -> str:
    if run.status == names.STATUS_END:
        return "good"
    if run.status == RUNNING:
        return "open"
    return "other" if run.reason in names.UNCOUNTED_REASONS else "bad"
