"""Random cron expressions of six libraries, each against the library itself under a simulated clock."""

import random
import time
from typing import Final

from benchmarks.bench import Bench
from benchmarks.dialects import CHANGES, SIMULATED, compare
from benchmarks.tables import Column, Part, Table, at_most

_EXPRESSIONS: Final = 10_000


def measure(bench: Bench) -> Part:
    """Compares the due times of 10,000 expressions around the changes of clocks of three zones, and for 30 days after.

    Args:
        bench: The folders; none is needed.
    """
    del bench
    changes = [(zone, change) for zone, some in CHANGES.items() for change in some]
    each = _EXPRESSIONS // (len(SIMULATED) * len(changes)) + 1
    rows: list[tuple[str, int, int, int, float]] = []
    for dialect in SIMULATED:
        began_s = time.monotonic()
        chance = random.Random(f"benchmark-{dialect}")  # noqa: S311 - expressions are no secrets
        found = [compare(dialect, zone, change, chance, each) for zone, change in changes]
        differences = sum(len(part.differences) for part in found)
        took_s = time.monotonic() - began_s
        rows.append((dialect, each * len(changes), sum(part.dues for part in found), differences, took_s))
    table = Table(
        name="dialects",
        title="Due times as the library itself has them, around changes of clocks and for 30 days after",
        columns=(
            Column(title="dialect", unit="text"),
            Column(title="expressions", unit="count"),
            Column(title="equal due times", unit="count"),
            Column(title="expressions that differ", unit="count"),
            Column(title="took", unit="s"),
        ),
        rows=tuple(rows),
    )
    differing = sum(row[3] for row in rows)
    return Part(
        tables=(table,), verdicts=(at_most("expressions that differ from their library", differing, 0, "count"),)
    )
