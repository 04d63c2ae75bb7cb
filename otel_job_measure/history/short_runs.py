"""Marks and checked runs from rows of their columns, by one rule for both.

A file may have been changed by another program or user, so the rows are checked before they become runs.
"""

from collections.abc import Iterable, Sequence
from itertools import starmap
from typing import Any, Final, TypeVar

from otel_job_measure.history.checked_run import CheckedRun
from otel_job_measure.history.mark import Mark
from otel_job_measure.history.rows import types_of
from otel_job_measure.history.run_record import as_told

Run = TypeVar("Run", Mark, CheckedRun)

_TYPES: Final = tuple(map(types_of, CheckedRun._fields))
"""Those of a mark are the first."""
_STARTED: Final = Mark._fields.index("started_ns")
_STATUS: Final = Mark._fields.index("status")
_TOLD: Final = len(Mark._fields)
_INFINITE: Final = frozenset({float("inf"), float("-inf")})


def columns_of(kind: type[Run]) -> str:
    """Returns the columns of `runs` that such a run is made of."""
    return ", ".join(f'"{name}"' for name in kind._fields)


def short_runs(kind: type[Run], rows: Sequence[tuple[Any, ...]]) -> list[Run]:
    """Returns the runs of rows, without those rows that this package cannot have written.

    All rows are treated at once, column by column: one row after another takes half as long again.
    """
    sound: Sequence[tuple[Any, ...]] = rows if _are_sound(rows) else [row for row in rows if _are_sound([row])]
    columns: list[Iterable[Any]] = [*zip(*sound, strict=True)]
    if columns:
        columns[_STATUS:_TOLD] = zip(*map(as_told, *columns[_STARTED:_TOLD]), strict=True)
    return list(starmap(kind, zip(*columns, strict=True)))


def _are_sound(rows: Iterable[tuple[Any, ...]]) -> bool:
    for types, column in zip(_TYPES, zip(*rows, strict=True), strict=False):
        if not types.issuperset(map(type, column)) or (float in types and not _INFINITE.isdisjoint(column)):
            return False
    return True
