"""Rows of the table `runs`, and the runs that they stand for.

A file may have been changed by another program or user, so a row is checked before it becomes a run.
"""

import json
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple, cast

from otel_job_measure import names
from otel_job_measure.clock import SystemClock
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import (
    RUN_ROW,
    VALUES,
    Key,
    Known,
    Run,
    ending_of,
    values_of,
)
from otel_job_measure.rate_limited_log import RateLimitedLog

_VALUES: Final = tuple(each.column for each in VALUES)
COLUMNS: Final = (
    *("id", "job", "datacenter", "project", "stage", "tags", "uuid", "destination", "started_ns", "ended_ns"),
    *("status", "reason", "success", *_VALUES, "ending_rows"),
    *("lost_ns", "lost_rows", "lost_status", "lost_reason", "lost_values", "settled"),
)
"""The columns of `runs`, in the order in which they are read and written here."""
SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM runs"  # noqa: S608 - constant names
UUID: Final = COLUMNS.index("uuid")

Row = tuple[Any, ...]
"""A row of `runs` with the columns of `COLUMNS`."""

_limited_log = RateLimitedLog(logging.getLogger(names.LOGGER), SystemClock())
_TYPES: Final = {"string": str, "float": float, "integer": int}
_VALUE_TYPES: Final = {each.column: _TYPES[each.kind] for each in VALUES}
_COLUMN_TYPES: Final = {
    **dict.fromkeys(("id", "started_ns", "ended_ns", "ending_rows", "lost_ns", "lost_rows", "settled"), int),
    "success": float,
    **_VALUE_TYPES,
}
_KINDS: Final = tuple(_COLUMN_TYPES.get(name, str) for name in COLUMNS)
_HOST: Final = _VALUES.index("host")
_NOT_LOST: Final = (None, 0, None, None, None)
_STATUS: Final = COLUMNS.index("status")
_LOST_STATUS: Final = COLUMNS.index("lost_status")
_STATUSES: Final = frozenset({names.STATUS_START, names.STATUS_END, names.STATUS_FAILED})
_LOST_STATUSES: Final = _STATUSES | {None}
_NEEDED_COLUMNS: Final = ("job", "tags", "uuid", "status", "ending_rows", "lost_rows")
_NEEDED: Final = tuple(map(COLUMNS.index, _NEEDED_COLUMNS))
_TAGS: Final = COLUMNS.index("tags")
_LOST_NS: Final = COLUMNS.index("lost_ns")
_LOST_VALUES: Final = COLUMNS.index("lost_values")


def types_of(column: str) -> frozenset[type]:
    """Returns the types that the values of a column may have."""
    kind = _COLUMN_TYPES.get(column, str)
    return frozenset({kind}) if column in _NEEDED_COLUMNS else frozenset({kind, type(None)})


def sound(rows: Iterable[Row]) -> Iterator[Row]:
    """Yields rows, without those that this package cannot have written."""
    for row in rows:
        if is_sound(row):
            yield row
        else:
            _limited_log.warning("row", "a row of the history is not as this package writes it: it is left out")


def runs_of(rows: Iterable[Row]) -> Iterator[Run]:
    """Yields the runs of rows, without those rows that this package cannot have written."""
    return map(run_of, sound(rows))


def is_sound(row: Row) -> bool:
    """Returns whether all values of a row have the types and forms that this package writes."""
    checks = _checks(tuple(map(type, row)))
    return (
        checks is not None
        and "\n" not in "".join(checks.texts(row))
        and all(map(math.isfinite, checks.floats(row)))
        and row[_STATUS] in _STATUSES
        and row[_LOST_STATUS] in _LOST_STATUSES
        and _are_tags(row[_TAGS])
        and (row[_LOST_NS] is None or _are_values(row[_LOST_VALUES]))
    )


def run_of(row: Row) -> Run:
    """Returns the run of a row."""
    cells: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    uuid = cells["uuid"]
    run = Run(uuid, key_in(row))
    run.destination, run.started_ns = cells["destination"], cells["started_ns"]
    values = {name: cells[name] for name in _VALUES}
    if not cells["ending_rows"] & RUN_ROW:
        run.host = values.pop("host")
    if cells["ended_ns"] is not None:
        reason = _reason(cells["status"], cells["reason"])
        run.end(ending_of(uuid, cells["ended_ns"], reason, values), cells["ending_rows"])
    if cells["lost_ns"] is not None:
        reason = _reason(cells["lost_status"], cells["lost_reason"])
        run.end(ending_of(uuid, cells["lost_ns"], reason, json.loads(cells["lost_values"])), cells["lost_rows"])
    return run


def row_of(run_id: int | None, run: Run) -> Row:
    """Returns the row of a run; a new one has no id yet."""
    begun = (run_id, *run.key, run.uuid, run.destination, run.started_ns)
    if not run.endings:
        values: list[Any] = [None] * len(_VALUES)
        values[_HOST] = run.host
        return (*begun, None, names.STATUS_START, None, None, *values, 0, *_NOT_LOST, 0)
    (ending, rows), *others = run.ranked() if len(run.endings) > 1 else run.endings.values()
    outcome, values = ending.outcome, list(values_of(ending))
    if not rows & RUN_ROW:
        values[_HOST] = run.host
    lost = _lost(others[0]) if others else _NOT_LOST
    ended = (ending.end_ns, outcome.status, outcome.reason or None, outcome.success)
    return (*begun, *ended, *values, rows, *lost, int(run.settled))


def key_in(row: Row) -> Key:
    """Returns the series in a row."""
    return Key._make(row[1:6])


def job_in(row: Row) -> JobId:
    """Returns the job of a row."""
    return JobId(row[1], row[3] or "", row[4] or "")


class _Checks(NamedTuple):
    """What must still be looked at in a row whose values have types that a run's may have."""

    texts: "Callable[[Row], Sequence[str]]"
    floats: "Callable[[Row], Sequence[float]]"


@lru_cache(maxsize=4096)
def _checks(types: tuple[type, ...]) -> _Checks | None:
    """Returns the checks of rows of such types; None if no run has them. Rows of one kind have the same types."""
    fit = all(found is kind or found is type(None) for found, kind in zip(types, _KINDS, strict=True))
    if not fit or any(types[at] is type(None) for at in _NEEDED):
        return None
    return _Checks(_values_at(types, str), _values_at(types, float))


def _values_at(types: tuple[type, ...], wanted: type) -> "Callable[[Row], Sequence[Any]]":
    places = [at for at, found in enumerate(types) if found is wanted]
    if len(places) > 1:
        return itemgetter(*places)
    return itemgetter(slice(places[0], places[0] + 1) if places else slice(0))


def _lost(known: Known) -> Row:
    (ending, rows), outcome = known, known.ending.outcome
    values = {name: value for name, value in zip(_VALUES, values_of(ending), strict=True) if value is not None}
    return ending.end_ns, rows, outcome.status, outcome.reason or None, json.dumps(values, ensure_ascii=False)


def _reason(status: str, reason: str | None) -> str | None:
    return None if status == names.STATUS_END else reason or ""


def _is_plain(value: object) -> bool:
    """Returns whether a value can be written into a line: rows come from lines."""
    if type(value) is str:
        return "\n" not in value
    return type(value) is not float or math.isfinite(value)


@lru_cache(maxsize=4096)
def _are_tags(text: str) -> bool:
    found = _object(text)
    return found is not None and all(type(value) is str and _is_plain(name + value) for name, value in found.items())


def _are_values(text: object) -> bool:
    found = _object(text) if type(text) is str else None
    return found is not None and all(type(v) is _VALUE_TYPES.get(name) and _is_plain(v) for name, v in found.items())


def _object(text: str) -> Mapping[str, object] | None:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("Mapping[str, object]", found) if type(found) is dict else None
