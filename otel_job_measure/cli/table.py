"""Runs as a table that fits a terminal of 80 columns."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_job_measure import names
from otel_job_measure.history.questions import RUNNING, HistoryRun

_LEAST_WIDTH = 80
_FIXED = 57  # what all columns but the job's take, with the room between them
_LEAST_JOB = 8
_STYLES = {names.STATUS_END: "green", names.STATUS_FAILED: "red", RUNNING: "yellow"}
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def print_runs(runs: Sequence[HistoryRun]) -> None:
    """Prints runs, oldest last, as they are given; plain where the output is no terminal.

    Args:
        runs: The runs, the newest first.
    """
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    width = console.width if console.is_terminal else _LEAST_WIDTH
    room = max(_LEAST_JOB, width - _FIXED)
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading, justify in (("job", "left"), ("started", "left"), ("took", "right")):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - literals
    for heading in ("status", "reason", "uuid"):
        table.add_column(heading, no_wrap=True)
    for run in runs:
        table.add_row(
            Text(shortened(run.job, room)),
            _started(run.started_ns),
            took(run.duration_s),
            Text(run.status, style=_STYLES.get(run.status, "")),
            run.reason or "",
            run.uuid,
        )
    console.print(table)


def shortened(text: str, width: int) -> str:
    """Returns a text that takes at most so many columns; a long one loses its middle.

    Args:
        text: Any text; what isn't printable is shown as its escape.
        width: How many columns of a terminal.
    """
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if cell_len(shown) <= width:
        return shown
    head = set_cell_size(shown, width // 2)
    tail = set_cell_size(shown[::-1], width - 1 - width // 2)[::-1]
    return f"{head}…{tail}"


def took(duration_s: float | None) -> str:
    """Returns a duration in the unit that tells most, in at most seven columns.

    Args:
        duration_s: In seconds; None where nobody knows.
    """
    if duration_s is None:
        return ""
    if duration_s < 1:
        return f"{duration_s * 1000:.1f} ms"
    if duration_s < _MINUTE_S:
        return f"{duration_s:.2f} s"
    if duration_s < _HOUR_S:
        return f"{duration_s // _MINUTE_S:.0f}m {duration_s % _MINUTE_S:02.0f}s"
    if duration_s < _DAY_S:
        return f"{duration_s // _HOUR_S:.0f}h {duration_s % _HOUR_S // _MINUTE_S:02.0f}m"
    return f"{duration_s // _DAY_S:.0f}d {duration_s % _DAY_S // _HOUR_S:02.0f}h"


def _started(started_ns: int | None) -> str:
    if started_ns is None:
        return ""
    return datetime.fromtimestamp(started_ns // 10**9, UTC).astimezone().strftime("%m-%d %H:%M:%S")
