"""Runs and dead letters as tables for people."""

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TextIO, cast

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_job_measure import names
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.words import took
from otel_job_measure.printable import brief, printable

if TYPE_CHECKING:
    from otel_job_measure.journal.dead_letters import DeadLetter

_WIDTH = 80
"""The width if stdout is no terminal."""
_LEAST_JOB = 8
_MOST_UUID = 22
"""The most columns for a run id, because an app may give a span an id of any length."""
_MOST_REASON = 40
_MOST_JOB = 200
_GAP = 2
_STYLES = {names.STATUS_END: "green", names.STATUS_FAILED: "red", RUNNING: "yellow"}


def print_runs(runs: Sequence[RunRecord]) -> None:
    """Prints runs in the given order; names of jobs are cut to the width that the other columns leave."""
    console = _console()
    columns = {heading: [text(run) for run in runs] for heading, text in _COLUMNS.items()}
    shown = {name: texts for name, texts in columns.items() if name not in _OPTIONAL or any(texts)}
    others = sum(_GAP + max(map(cell_len, (heading, *texts))) for heading, texts in shown.items())
    room = max(_LEAST_JOB, console.width - others)
    console.width = max(console.width, room + others)  # else rich would cut the uuid on a narrow terminal
    table = _table()
    for heading in ("job", *shown):
        table.add_column(heading, justify="right" if heading in _NUMBERS else "left", no_wrap=True)
    for run, *texts in zip(runs, *shown.values(), strict=True):
        style = _STYLES.get(run.status, "")
        row = [Text(text, style=style if text == run.status else "") for text in texts]
        table.add_row(Text(shortened(run.job, room)), *row)
    console.print(table, crop=False)


def print_dead_letters(found: "Sequence[tuple[DeadLetter, str | None]]") -> None:
    """Prints refused lines, each with its job; the server's messages are wrapped and not cut."""
    console = _console()
    table = _table()
    table.add_column("refused", no_wrap=True)
    table.add_column("job", overflow="fold")
    table.add_column("message", overflow="fold")
    for letter, job in found:
        at = (letter.refused_at or "").replace("T", " ").removesuffix("Z")
        table.add_row(*map(Text, (brief(at, _MOST_UUID), brief(job or "", _MOST_JOB), brief(letter.message))))
    console.print(table)


def shortened(text: str, width: int) -> str:
    """Returns a text of at most so many terminal columns; a long one loses its middle."""
    shown = printable(text)
    if cell_len(shown) <= width:
        return shown
    head = set_cell_size(shown, width // 2)
    tail = set_cell_size(shown[::-1], width - 1 - width // 2)[::-1]
    return f"{head}…{tail}"


def _started(run: RunRecord) -> str:
    if run.started_ns is None:
        return ""
    return f"{datetime.fromtimestamp(run.started_ns // 10**9, UTC).astimezone():%m-%d %H:%M:%S}"


_COLUMNS: Final[Mapping[str, Callable[[RunRecord], str]]] = {
    "started": _started,
    "took": lambda run: took(run.duration_s),
    "late": lambda run: took(run.lag_s),
    "status": lambda run: shortened(run.status, _MOST_UUID),
    "reason": lambda run: shortened(run.reason or "", _MOST_REASON),
    "attempt": lambda run: str(run.attempt or ""),
    "uuid": lambda run: shortened(run.uuid, _MOST_UUID),
}
_OPTIONAL: Final = {"late", "attempt"}
"""Columns that appear only if a run has a value: only schedulers give one."""
_NUMBERS: Final = {"took", "late", "attempt"}


def _console() -> Console:
    stdout = cast("TextIO", sys.stdout)
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="replace")  # a terminal without Unicode shows question marks
    console = Console(highlight=False, emoji=False)
    console.width = console.width if console.is_terminal else _WIDTH
    return console


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
