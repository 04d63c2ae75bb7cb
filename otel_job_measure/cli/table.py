"""Runs and dead letters as tables for people."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_job_measure import names
from otel_job_measure.cli.columns import Column, Names, table
from otel_job_measure.cli.terminal import console, shortened
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.matching import NS
from otel_job_measure.insight.words import cause, closed, took
from otel_job_measure.printable import brief
from otel_job_measure.timestamps import local

if TYPE_CHECKING:
    from otel_job_measure.journal.dead_letters import DeadLetter

OK: Final = "ok"
"""What people read for `end`; rows and JSON keep `end`."""
_MOST_UUID = 22
"""The most columns for a run id, because an app may give a span an id of any length."""
_MOST_WORD = 40
_MOST_JOB = 200
_STATUS = 7
_LEAST = 8
_FAR_NS: Final = 300 * 86_400 * NS
_STYLES = {names.STATUS_END: "green", names.STATUS_FAILED: "red", RUNNING: "yellow"}


def print_runs(runs: Sequence[RunRecord], now_ns: int) -> None:
    """Prints runs in the given order; names of jobs are cut to the width that the other columns leave."""
    found = console()
    found.print(table(found, run_columns(runs, now_ns)), crop=False)


def run_columns(runs: Sequence[RunRecord], now_ns: int) -> "list[Column | Names]":
    """Returns what is shown of runs; a narrow terminal loses the columns with the greatest numbers first."""

    def column(heading: str, text: Callable[[RunRecord], str], order: int = 0, **more: bool) -> Column:
        return Column(heading=heading, cells=[Text(text(run)) for run in runs], order=order, **more)

    return [
        Names(heading="job", texts=[run.job for run in runs]),
        column("started", lambda run: started(run, now_ns)),
        column("took", lambda run: took(_so_far(run, now_ns)), right=True),
        column("late", lambda run: took(run.lag_s), 5, right=True, optional=True),
        Column(heading="status", cells=[status(run) for run in runs]),
        column("reason", lambda run: shortened(run.reason or "", _MOST_WORD), 2),
        column("error", lambda run: _word(run.error_type), 4, optional=True),
        column("host", lambda run: _word(run.host), 6, optional=True),
        column("project", lambda run: _word(where(run)), 7, optional=True),
        column("attempt", lambda run: str(run.attempt or ""), 3, right=True, optional=True),
        column("uuid", lambda run: shortened(run.uuid, _MOST_UUID)),
    ]


def run_line(where: Console, run: RunRecord, now_ns: int) -> Text:
    """Returns one run in one line, for a list whose next line is not known yet; the name comes last."""
    word = status(run)
    head = Text.assemble(
        f"{started(run, now_ns):14}  ",
        word,
        " " * max(0, _STATUS - len(word)),
        f"  {took(_so_far(run, now_ns)):>7}  {shortened(run.uuid, _MOST_UUID):12}  ",
    )
    why = " ".join(cause(run.reason, run.error_type))
    tail = f"  {shortened(why, _MOST_WORD)}" if why else ""
    room = max(_LEAST, where.width - len(head) - cell_len(tail)) if where.is_terminal else _MOST_JOB
    return Text.assemble(head, closed(shortened(run.job, room)), (tail, "red"))


def started(run: RunRecord, now_ns: int) -> str:
    """Returns when a run started, in the zone of this machine; with the year if that may be another one."""
    if run.started_ns is None:
        return ""
    is_far = abs(now_ns - run.started_ns) > _FAR_NS
    return f"{local(run.started_ns):{'%Y-%m-%d %H:%M' if is_far else '%m-%d %H:%M:%S'}}"


def status(run: RunRecord) -> Text:
    """Returns the status of a run as people read it."""
    word = OK if run.status == names.STATUS_END else shortened(run.status, _MOST_UUID)
    return Text(word, style=_STYLES.get(run.status, ""))


def where(run: RunRecord) -> str:
    """Returns the project and stage of a run."""
    return "/".join(part for part in (run.project, run.stage) if part)


def print_dead_letters(found: "Sequence[tuple[DeadLetter, str | None]]") -> None:
    """Prints refused lines, each with its job; the server's messages are wrapped and not cut."""
    shown = console()
    letters = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    letters.add_column("refused", no_wrap=True)
    letters.add_column("job", overflow="fold")
    letters.add_column("message", overflow="fold")
    for letter, job in found:
        at = (letter.refused_at or "").replace("T", " ").removesuffix("Z")
        letters.add_row(*map(Text, (brief(at, _MOST_UUID), brief(job or "", _MOST_JOB), brief(letter.message))))
    shown.print(letters)


def _so_far(run: RunRecord, now_ns: int) -> float | None:
    """Returns how long a run took, or has taken so far; None if it is to start in the future, by a wrong clock."""
    if run.status != RUNNING:
        return run.duration_s
    return (now_ns - started_ns(run)) / NS if started_ns(run) <= now_ns else None


def _word(text: str | None) -> str:
    return closed(shortened(text or "", _MOST_WORD))
