"""The monitor's rows in the history: what was found, the states, the expectations, and signs of life."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, cast

from otel_job_measure.history.run_record import Run
from otel_job_measure.points.monitor import Alive, Event, Expected, MonitorRow, Sender, State

if TYPE_CHECKING:
    import sqlite3

_REPLACED: Final = ("states", "expected", "alive", "senders")
"""The tables whose rows are replaced by later ones, so that old ones are of what is gone."""
_EVENT: Final = """
INSERT INTO events (job, project, stage, event, at_ns, due_ns, uuid, detail, withdrawn)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (at_ns, job, project, stage, event) DO UPDATE SET due_ns = ifnull(excluded.due_ns, due_ns),
    uuid = ifnull(excluded.uuid, uuid), detail = excluded.detail, withdrawn = excluded.withdrawn
"""
_NEWER: Final = "ON CONFLICT DO UPDATE SET {} WHERE excluded.at_ns >= at_ns OR at_ns > ?"
"""A row of the future, which a wrong clock made, stays no longer than until the next one."""


def _upsert(table: str, keys: str, values: str) -> str:
    """Returns the statement that puts a row into a table, unless the table has a later one in its place."""
    columns = [*keys.split(), *values.split()]
    marks, sets = ", ".join("?" * len(columns)), ", ".join(f"{name} = excluded.{name}" for name in values.split())
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) {_NEWER.format(sets)}"  # noqa: S608 - constant


_STATE: Final = _upsert("states", "job project stage", "at_ns state level since_ns due_ns")
_EXPECTED: Final = _upsert("expected", "job project stage source origin host", "at_ns version expected")
_ALIVE: Final = _upsert("alive", "uuid job project stage", "at_ns host age_s interval_s")
_SENDER: Final = _upsert("senders", "host", 'at_ns complete_until_ns pending "left"')
_OVER: Final = "DELETE FROM alive WHERE uuid = ? AND job = ? AND project = ? AND stage = ?"
_OLD: Final = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at_ns < ? ORDER BY at_ns LIMIT ?)"


def put(connection: "sqlite3.Connection", rows: Iterable[MonitorRow], now_ns: int) -> None:
    """Puts rows into their tables, in the order in which they came."""
    for row in rows:
        match row:
            case Alive():
                connection.execute(_ALIVE, (row.uuid, *row.job, row.at_ns, row.host, row.age_s, row.interval_s, now_ns))
            case Event():
                found = (row.due_ns, row.uuid, row.detail, row.withdrawn)
                connection.execute(_EVENT, (*row.job, row.event, row.at_ns, *found))
            case State():
                values = (row.at_ns, row.state, row.level, row.since_ns, row.due_ns)
                connection.execute(_STATE, (*row.job, *values, now_ns))
            case Expected():
                place = (*row.job, row.source, *_where(row.text))
                connection.execute(_EXPECTED, (*place, row.at_ns, row.version, row.text, now_ns))
            case Sender():
                word = (row.at_ns, row.complete_until_ns, row.pending, row.left)
                connection.execute(_SENDER, (row.host, *word, now_ns))


def forget_ended(connection: "sqlite3.Connection", runs: Iterable[Run]) -> None:
    """Deletes the signs of life of runs that have ended."""
    over = [(run.uuid, run.key.job, run.key.project or "", run.key.stage or "") for run in runs if run.endings]
    if over and connection.execute("SELECT EXISTS (SELECT 1 FROM alive)").fetchone()[0]:
        connection.executemany(_OVER, over)


def prune(connection: "sqlite3.Connection", old_ns: int, most: int) -> bool:
    """Deletes some rows that are older than a time; returns whether there may be more."""
    for table in _REPLACED:
        connection.execute(f"DELETE FROM {table} WHERE at_ns < ?", (old_ns,))  # noqa: S608 - constant names
    return connection.execute(_OLD, (old_ns, most)).rowcount == most


def _where(text: str) -> tuple[str, str]:
    """Returns the origin and the host in an expectation's JSON; both are empty in a text that is none."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    values = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    return str(values.get("origin") or ""), str(values.get("host") or "")
