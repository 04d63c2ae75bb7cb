"""What the history answers to the questions about runs; `insight.history_store` asks."""

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_job_measure.history import walks
from otel_job_measure.history.conditions import condition, halves
from otel_job_measure.history.parts import parts
from otel_job_measure.history.records import records
from otel_job_measure.history.rows import COLUMNS, SELECT, UUID, Row
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.history.wanted import Wanted

if TYPE_CHECKING:
    import sqlite3

_NAMES: Final = ", ".join(COLUMNS)
_ORDERED_PART: Final = """
SELECT * FROM (
    SELECT *, {at} AS at_ns FROM {source} WHERE {where} AND {later}
    ORDER BY {at} {way}, uuid {way}, id {way} LIMIT :limit
)
"""
_ON_PAGE: Final = f"SELECT {_NAMES} FROM {{source}} WHERE {{where}}"  # noqa: S608 - constant
_ONE: Final = "SELECT 1 FROM {source} WHERE {where}"
_LATER: Final = "{0} >= :at_ns AND ({0}, uuid, id) > (:at_ns, :uuid, :id)"
_STARTED: Final = COLUMNS.index("started_ns")
_ENDED: Final = COLUMNS.index("ended_ns")
_ORDERED: Final = f"SELECT {_NAMES} FROM ({{}}) ORDER BY at_ns {{way}}, uuid {{way}}, id {{way}} LIMIT :limit"  # noqa: S608 - constant


class Place(NamedTuple):
    """A run's place in the order of the starts."""

    at_ns: int
    uuid: str
    id: int
    """The id of its row, because two runs may have the same uuid."""


class Page(NamedTuple):
    """Some runs in the order of their starts."""

    runs: list[RunRecord]
    last: Place | None
    """The last one's place, from which the next page goes on; None if there are no more."""


def latest(connection: "sqlite3.Connection", wanted: Wanted, limit: int) -> list[RunRecord]:
    """Returns the latest runs, the newest first."""
    return records(_ordered(connection, wanted, limit, "DESC"))


def find(  # noqa: PLR0913 - a page and what is looked for
    connection: "sqlite3.Connection", walk: walks.Walk, after: walks.Place, end: walks.Place, *, prefix: str, limit: int
) -> list[RunRecord]:
    """Returns the runs of a page whose uuid begins so, the newest first."""
    found = "substr(uuid, 1, :length) = :prefix"
    query = walk.on_page(f"{_ON_PAGE} AND {found} ORDER BY ifnull(started_ns, ended_ns) DESC, uuid DESC LIMIT :limit")
    values = {**walk.values_of(after, end), "length": len(prefix), "prefix": prefix, "limit": limit}
    return records(connection.execute(query, values))


def count(connection: "sqlite3.Connection", wanted: Wanted) -> int:
    """Returns how many runs there are."""
    among = parts(connection, wanted)
    ones = " UNION ALL ".join(_ONE.format(**part._asdict()) for part in among.parts)
    found: int = connection.execute(f"SELECT count(*) FROM ({ones})", among.values).fetchone()[0]  # noqa: S608 - constant names
    return found


def open_runs(connection: "sqlite3.Connection", wanted: Wanted) -> list[RunRecord]:
    """Returns the runs that have not ended, the oldest first."""
    chosen = condition(wanted)
    both, bounds = halves(wanted)
    wheres = [f"{half.sql} AND {chosen.sql}" for half in both] if bounds else [chosen.sql]
    query = " UNION ALL ".join(f"{SELECT} WHERE {where} AND ended_ns IS NULL" for where in wheres)
    return records(connection.execute(f"{query} ORDER BY started_ns, uuid", {**chosen.values, **bounds}))


def attempts(
    connection: "sqlite3.Connection", walk: walks.Walk, after: walks.Place, end: walks.Place, *, task_id: str
) -> list[RunRecord]:
    """Returns the attempts of a task on a page."""
    query = walk.on_page(f"{_ON_PAGE} AND task_id = :task_id")
    return records(connection.execute(query, {**walk.values_of(after, end), "task_id": task_id}))


def starts(connection: "sqlite3.Connection", wanted: Wanted, after: Place | None, limit: int) -> Page:
    """Returns the next runs in the order of their starts, after a place."""
    rows = _ordered(connection, wanted, limit, "ASC", after).fetchall()
    return Page(records(rows), _place(rows[-1]) if rows else None)


def _place(row: Row) -> Place:
    started_ns = row[_STARTED]
    return Place(row[_ENDED] if started_ns is None else started_ns, row[UUID], row[0])


def _ordered(
    connection: "sqlite3.Connection", wanted: Wanted, limit: int, way: str, after: Place | None = None
) -> "sqlite3.Cursor":
    """Returns the first runs in the order of their times; each part comes from an index."""
    among = parts(connection, wanted)
    later = "TRUE" if after is None else _LATER
    each = (
        _ORDERED_PART.format(source=part.source, at=part.at, where=part.where, way=way, later=later.format(part.at))
        for part in among.parts
    )
    place = {} if after is None else after._asdict()
    query = _ORDERED.format(" UNION ALL ".join(each), way=way)
    return connection.execute(query, {**among.values, **place, "limit": limit})
