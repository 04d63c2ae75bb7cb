"""The monitor's rows in the history: what was found, the states, the expectations, and signs of life."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from otel_job_measure.errors import LineProtocolError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.rows import Row
from otel_job_measure.history.run_record import Run
from otel_job_measure.points.monitor import Alive, Event, Expected, MonitorRow, Sender, State
from otel_job_measure.points.monitor_rows import line_of

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
_EVER: Final = 2**63 - 1
_EVENTS: Final = """
SELECT job, project, stage, event, at_ns, due_ns, uuid, detail, withdrawn FROM events
WHERE at_ns >= ? AND at_ns < ? ORDER BY at_ns, job, project, stage, event
"""
_STATES: Final = "SELECT job, project, stage, at_ns, state, level, since_ns, due_ns FROM states"
_SENDERS: Final = 'SELECT host, at_ns, complete_until_ns, pending, "left" FROM senders WHERE at_ns >= ? ORDER BY host'
_SIGNS: Final = "SELECT uuid, job, project, stage, at_ns, interval_s FROM alive"
_TEXTS: Final = "SELECT job, project, stage, source, at_ns, version, expected FROM expected"
_NEXT_EVENTS: Final = """
SELECT id, job, project, stage, event, at_ns, due_ns, uuid, detail, withdrawn FROM events
WHERE id > ? AND at_ns >= ? ORDER BY id LIMIT ?
"""
_JOB: Final = (str, str, str)
_OR_NONE: Final = {int: (int, type(None)), str: (str, type(None))}
_EVENT_KINDS: Final = (*_JOB, str, int, _OR_NONE[int], _OR_NONE[str], str, int)
_STATE_KINDS: Final = (*_JOB, int, str, int, int, _OR_NONE[int])


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


def has_open(connection: "sqlite3.Connection", before_ns: int) -> bool:
    """Returns whether a run that started before a time is open."""
    query = "SELECT EXISTS (SELECT 1 FROM runs WHERE ended_ns IS NULL AND started_ns <= ?)"
    return bool(connection.execute(query, (before_ns,)).fetchone()[0])


def last_word_ns(connection: "sqlite3.Connection", host: str) -> int:
    """Returns when a host's last word was given; 0 if there is none."""
    found = connection.execute("SELECT at_ns FROM senders WHERE host = ?", (host,)).fetchone()
    return found[0] if found and type(found[0]) is int else 0


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


def events(connection: "sqlite3.Connection", since_ns: int, until_ns: int | None) -> list[Event]:
    """Returns the events of a time, the oldest first."""
    before_ns = _EVER if until_ns is None else until_ns
    return [_event(row) for row in _sound(connection.execute(_EVENTS, (since_ns, before_ns)), _EVENT_KINDS)]


def states(connection: "sqlite3.Connection") -> list[State]:
    """Returns the last known state of each job, in the order of the jobs."""
    return [
        State(job=JobId(*job), at_ns=at_ns, state=state, level=level, since_ns=since_ns, due_ns=due_ns)
        for *job, at_ns, state, level, since_ns, due_ns in _sound(connection.execute(_STATES), _STATE_KINDS)
    ]


def senders(connection: "sqlite3.Connection", since_ns: int) -> list[Sender]:
    """Returns the last word of each host, if it came since a time, in the order of the hosts."""
    return [
        Sender(host=host, at_ns=at_ns, complete_until_ns=until_ns, pending=pending, left=bool(left))
        for host, at_ns, until_ns, pending, left in _sound(
            connection.execute(_SENDERS, (since_ns,)), (str, int, int, int, int)
        )
    ]


def expected(connection: "sqlite3.Connection") -> list[str]:
    """Returns the JSON of what each source says of each job."""
    return [text for (text,) in _sound(connection.execute("SELECT expected FROM expected"), (str,))]


def signs_of_life(connection: "sqlite3.Connection") -> dict[tuple[str, JobId], tuple[int, float]]:
    """Returns the time and the interval, in seconds, of the last sign of life of each open run, by its uuid and job."""
    found = _sound(connection.execute(_SIGNS), (str, *_JOB, int, float))
    return {(uuid, JobId(*job)): (at_ns, interval_s) for uuid, *job, at_ns, interval_s in found}


def next_events(
    connection: "sqlite3.Connection", row_id: int, since_ns: int, limit: int
) -> tuple[int, list[Event]] | None:
    """Returns the next events since a time, in the order of their row ids, and the last of these; None at the end."""
    rows = connection.execute(_NEXT_EVENTS, (row_id, since_ns, limit)).fetchall()
    return (rows[-1][0], [_event(row[1:]) for row in _sound(rows, (int, *_EVENT_KINDS))]) if rows else None


def present(connection: "sqlite3.Connection", since_ns: int) -> list[State | Expected]:
    """Returns the last states and expectations that were told since a time."""
    kinds = (*_JOB, str, int, int, str)
    told = [
        Expected(job=JobId(*job), at_ns=at_ns, source=source, version=version, text=text)
        for *job, source, at_ns, version, text in _sound(connection.execute(_TEXTS), kinds)
    ]
    both: list[State | Expected] = [*states(connection), *told]
    return [row for row in both if row.at_ns >= since_ns]


def lines_of(rows: Iterable[MonitorRow]) -> Iterator[bytes]:
    """Yields rows as lines, without those that no line can hold."""
    for row in rows:
        with contextlib.suppress(LineProtocolError):
            yield line_of(row)


def _event(row: Row) -> Event:
    *job, event, at_ns, due_ns, uuid, detail, withdrawn = row
    return Event(
        job=JobId(*job),
        event=event,
        at_ns=at_ns,
        due_ns=due_ns,
        uuid=uuid,
        detail=detail,
        withdrawn=bool(withdrawn),
    )


def _sound(rows: Iterable[Row], kinds: Sequence[Any]) -> Iterator[Row]:
    """Yields rows whose values have the types that this package writes: a file may come from another user."""
    return (row for row in rows if all(isinstance(value, kind) for value, kind in zip(row, kinds, strict=True)))


def _where(text: str) -> tuple[str, str]:
    """Returns the origin and the host in an expectation's JSON; both are empty in a text that is none."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    values = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    return str(values.get("origin") or ""), str(values.get("host") or "")
