"""What came of a fault: one row of the table that `make soak` prints and docs/reliability.md shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

COLUMNS: Final = (
    "fault",
    "times tried",
    "runs",
    "points expected",
    "points found",
    "lost",
    "doubled",
    "p99 of a job's waits",
    "longest wait of a job",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one fault.

    Args:
        fault: What was done.
        tried: How often.
        runs: How many runs there were.
        expected: How many points they must have, three a run: start, run row and ending.
        found: How many of these are there.
        lost: How many are not.
        doubled: How many are there beside them, of runs that have one of the kind already.
        p99_wait_s: What 99 of 100 of these waits did not exceed.
        longest_wait_s: The longest wait of a job for the package, at its start or its end; None if it was not measured.
        broken: Whatever else did not hold, a sentence each.
        skipped: Why it can't be tried here; empty where it was.
    """

    fault: str
    tried: int
    runs: int = 0
    expected: int = 0
    found: int = 0
    lost: int = 0
    doubled: int = 0
    p99_wait_s: float | None = None
    longest_wait_s: float | None = None
    broken: tuple[str, ...] = ()
    skipped: str = ""

    @property
    def holds(self) -> bool:
        """Returns whether nothing was lost, doubled or otherwise wrong."""
        return not (self.lost or self.doubled or self.broken) and self.found == self.expected

    def cells(self) -> tuple[str, ...]:
        """Returns the row as text, in the order of the columns."""
        if self.skipped:
            return (self.fault, f"not tried: {self.skipped}", *[""] * (len(COLUMNS) - 2))
        counts = (self.tried, self.runs, self.expected, self.found, self.lost, self.doubled)
        waits = ("" if wait is None else f"{wait * 1e3:.1f} ms" for wait in (self.p99_wait_s, self.longest_wait_s))
        return (self.fault, *(f"{count:,}" for count in counts), *waits)


def as_text(rows: Sequence[Row]) -> str:
    """Returns the table for a terminal, with what did not hold below it."""
    cells = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    lines = [
        "  ".join(_padded(cell, width, column) for column, (cell, width) in _columns(line, widths)) for line in cells
    ]
    return "\n".join(
        [*(line.rstrip() for line in lines), *(f"{row.fault}: {words}" for row in rows for words in row.broken)]
    )


def as_markdown(rows: Sequence[Row]) -> str:
    """Returns the table for a page of the docs."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|---|{'---:|' * (len(COLUMNS) - 1)}"]
    lines += [f"| {' | '.join(row.cells())} |" for row in rows]
    return "\n".join(lines)


def _columns(line: Sequence[str], widths: Sequence[int]) -> list[tuple[int, tuple[str, int]]]:
    return list(enumerate(zip(line, widths, strict=True)))


def _padded(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)
