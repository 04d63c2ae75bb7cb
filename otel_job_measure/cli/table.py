"""Runs as a table that fits a terminal of 80 columns."""

import io
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TextIO, cast

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_job_measure import names
from otel_job_measure.history.queries import RUNNING, RunRecord

_WIDTH = 80  # where there is no terminal that has one
_LEAST_JOB = 8
_MOST_UUID = 22  # one that an app gave a span of its own can be of any length
_GAP = 2
_HEADINGS = ("job", "started", "took", "status", "reason", "uuid")
_STYLES = {names.STATUS_END: "green", names.STATUS_FAILED: "red", RUNNING: "yellow"}
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
# Up to where, how many a second, digits after the point, name: the bounds are where rounding leads to the next one.
_UNITS = ((0.0009995, 1e6, 0, "µs"), (0.00995, 1e3, 1, "ms"), (0.9995, 1e3, 0, "ms"), (_MINUTE_S, 1, 2, "s"))


def print_runs(runs: Sequence[RunRecord]) -> None:
    """Prints runs in the order in which they are given; plain where the output is no terminal.

    The jobs' names get what is left of the width. The other columns are not cut, but for an id that is none of ours.

    Args:
        runs: The runs.
    """
    stdout = cast("TextIO", sys.stdout)
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="replace")  # a terminal without Unicode shows question marks, not a traceback
    console = Console(highlight=False)
    cells = [
        (_started(run), took(run.duration_s), run.status, run.reason or "", shortened(run.uuid, _MOST_UUID))
        for run in runs
    ]
    others = sum(_GAP + max(map(cell_len, column)) for column in zip(_HEADINGS[1:], *cells, strict=True))
    width = console.width if console.is_terminal else _WIDTH
    room = max(_LEAST_JOB, width - others)
    console.width = max(width, room + others)  # else rich would cut the uuid, too, where a terminal is narrow
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading == "took" else "left", no_wrap=True)
    for run, texts in zip(runs, cells, strict=True):
        style = _STYLES.get(run.status, "")
        row = [Text(text, style=style if text == run.status else "") for text in texts]
        table.add_row(Text(shortened(run.job, room)), *row)
    console.print(table, crop=False)


def printable(text: str) -> str:
    """Returns a text with an escape in the place of each character that cannot be shown, or does something.

    Args:
        text: Any text.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, width: int) -> str:
    """Returns a text that takes at most so many columns; a long one loses its middle.

    Args:
        text: Any text.
        width: How many columns of a terminal.
    """
    shown = printable(text)
    if cell_len(shown) <= width:
        return shown
    head = set_cell_size(shown, width // 2)
    tail = set_cell_size(shown[::-1], width - 1 - width // 2)[::-1]
    return f"{head}…{tail}"


def took(duration_s: float | None) -> str:
    """Returns a duration in the unit that tells most, in at most seven columns for a thousand days.

    Args:
        duration_s: In seconds; None where nobody knows.
    """
    if duration_s is None:
        return ""
    if duration_s < _MINUTE_S - 0.005:
        return next(
            f"{duration_s * per_s:.{digits}f} {unit}" for bound, per_s, digits, unit in _UNITS if duration_s < bound
        )
    seconds = round(duration_s)
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S}m {seconds % _MINUTE_S:02}s"
    if seconds < _DAY_S:
        return f"{seconds // _HOUR_S}h {seconds % _HOUR_S // _MINUTE_S:02}m"
    return f"{seconds // _DAY_S}d {seconds % _DAY_S // _HOUR_S:02}h"


def _started(run: RunRecord) -> str:
    if run.started_ns is None:
        return ""
    return f"{datetime.fromtimestamp(run.started_ns // 10**9, UTC).astimezone():%m-%d %H:%M:%S}"
