"""Refused lines as a table."""

import io
import sys
from collections.abc import Sequence
from typing import TextIO, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_job_measure.cli.table import printable
from otel_job_measure.journal.rejected_lines import Rejected

_WIDTH = 100  # where there is no terminal that has one


def print_rejected(found: Sequence[tuple[Rejected, str | None]]) -> None:
    """Prints refused lines; the reasons are wrapped, and nothing is cut.

    Args:
        found: The lines, each with its job.
    """
    stdout = cast("TextIO", sys.stdout)
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="replace")  # a terminal without Unicode shows question marks, not a traceback
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else _WIDTH
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("id", "refused"):
        table.add_column(heading, no_wrap=True)
    for heading in ("job", "why"):
        table.add_column(heading, overflow="fold")
    for rejected, job in found:
        at = (rejected.at or "").replace("T", " ").removesuffix("Z")
        table.add_row(rejected.id, at, Text(printable(job or "")), Text(printable(rejected.words)))
    console.print(table)
