"""Pruning: deletes runs that are older than the retention, by a time that the file's own runs bear out.

A clock can be years ahead for a while, and pruning by it would delete everything but the newest run. So the present is
the newest run that has other runs before it for the whole retention, without a gap of more than ten days. After a
longer gap, pruning goes by the runs before the gap, until those after it span the retention themselves.

A clock can be years behind too. Such a run is old by its own time, but it was noted after runs that are still young.
So only runs that were noted before the earliest young run are deleted.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_job_measure.clock import Clock
from otel_job_measure.history import monitor_tables
from otel_job_measure.rate_limited_log import LOG

if TYPE_CHECKING:
    import sqlite3

_EVERY_NS: Final = 600_000_000_000
_AT_ONCE: Final = 200
"""How many runs one transaction looks at: it takes a few milliseconds."""
_MOST_STEPS: Final = 1000
_DAY_NS: Final = 86_400_000_000_000
_LONGEST_GAP_NS: Final = 10 * _DAY_NS
"""Weekly jobs and holidays make shorter ones."""

_PASSES: Final = {"ended_ns": "TRUE", "started_ns": "ended_ns IS NULL"}
"""The columns whose indexes find old runs, each with what else must hold: an open run counts by its start."""
_OLD: Final = """
SELECT id, {column} FROM runs WHERE ({column}, id) > (:at_ns, :id) AND {column} < :old_ns ORDER BY {column}, id LIMIT :n
"""
_DELETE: Final = """
DELETE FROM runs WHERE id = ? AND id < ? AND {condition} AND NOT EXISTS (
    SELECT 1 FROM last_runs AS last WHERE last.job = runs.job AND last.project = ifnull(runs.project, '')
        AND last.stage = ifnull(runs.stage, '') AND last.uuid = runs.uuid
)
"""
_FORGET: Final = "DELETE FROM segments WHERE name IN (SELECT name FROM segments WHERE at_ns < ? LIMIT ?)"
_NEWEST: Final = """
SELECT max(at_ns) FROM (
    SELECT max(ended_ns) AS at_ns FROM runs WHERE ended_ns < :ns
    UNION ALL SELECT max(started_ns) FROM runs WHERE started_ns < :ns
)
"""
_OLDEST: Final = """
SELECT min(at_ns) FROM (
    SELECT min(ended_ns) AS at_ns FROM runs WHERE ended_ns >= :ns
    UNION ALL SELECT min(started_ns) FROM runs WHERE started_ns >= :ns
)
"""
_NEVER: Final = -(2**63)
_EVER: Final = 2**63 - 1


class Present(NamedTuple):
    """The time that runs count from, in ns since 1970."""

    now_ns: int | None
    """The newest run's, if the runs before it bear it out; None if none do."""
    gap: tuple[int, int] | None
    """The newest gap that made later runs doubtful: when it began and ended."""


class _Bounds(NamedTuple):
    """What is old."""

    old_ns: int
    """Runs that ended before it are older than the retention."""
    before_id: int
    """The earliest young run: runs noted after it came within the retention, whatever their times say."""


class Pruning:
    """Deletes old runs, a few at a time; `retention_s` is how long runs are kept after they ended."""

    def __init__(self, retention_s: float, clock: Clock) -> None:
        self._retention_ns = int(retention_s * 1e9)
        self._clock = clock
        self._due_ns = clock.monotonic_ns()

    def is_due(self) -> bool:
        """Returns whether it is time to look for old runs."""
        return self._clock.monotonic_ns() >= self._due_ns

    def prune(self, connection: "sqlite3.Connection") -> None:
        """Deletes some old runs and other rows, in a transaction; it stays due if there may be more.

        The last run and the last success of each job stay. Old notes about segments go too: at worst a segment is
        ingested once more.
        """
        bounds = self._bounds(connection)
        if bounds is None or not _prune_some(connection, bounds):
            self._due_ns = self._clock.monotonic_ns() + _EVERY_NS

    def _bounds(self, connection: "sqlite3.Connection") -> _Bounds | None:
        wall_ns = self._clock.wall_ns()
        present = present_of(connection, wall_ns, self._retention_ns)
        self._tell(connection, wall_ns, present)
        if present.now_ns is None:
            return None
        old_ns = present.now_ns - self._retention_ns
        young = "SELECT id FROM runs WHERE started_ns >= ? ORDER BY started_ns LIMIT 1"
        found = connection.execute(young, (old_ns,)).fetchone()
        return None if found is None else _Bounds(old_ns, found[0])

    def _tell(self, connection: "sqlite3.Connection", wall_ns: int, present: Present) -> None:
        """Logs times that are not plausible, once for a file."""
        future = _newest(connection, _EVER)
        if future is not None and future > wall_ns + _DAY_NS and _is_news(connection, "future", future):
            LOG.warning("the history has runs of the future, up to %s: the clock is or was wrong", _date(future))
        if present.gap is None:
            return
        began, ended = present.gap
        if ended - began > self._retention_ns and _is_news(connection, "gap", began):
            LOG.warning(
                "the history has no runs between %s and %s, perhaps because the clock is wrong: older runs are not"
                " deleted until the runs since then span the retention",
                _date(began),
                _date(ended),
            )


def present_of(connection: "sqlite3.Connection", wall_ns: int, retention_ns: int) -> Present:
    """Returns the present as the runs up to the clock's time bear it out; it looks at some dozens of them."""
    now_ns = at_ns = _newest(connection, wall_ns + 1)
    gap: tuple[int, int] | None = None
    for _ in range(_MOST_STEPS):
        if now_ns is None or at_ns is None:
            break
        if now_ns - at_ns >= retention_ns:
            return Present(now_ns, gap)
        before_ns = _oldest(connection, max(at_ns - _LONGEST_GAP_NS, _NEVER))
        if before_ns < at_ns:
            at_ns = before_ns
            continue
        later_ns = at_ns
        now_ns = at_ns = _newest(connection, at_ns)
        if now_ns is not None and gap is None:
            gap = (now_ns, later_ns)
    return Present(None, gap)


def _newest(connection: "sqlite3.Connection", before_ns: int) -> int | None:
    """Returns the newest start or end before a time."""
    found: int | None = connection.execute(_NEWEST, {"ns": before_ns}).fetchone()[0]
    return found


def _oldest(connection: "sqlite3.Connection", from_ns: int) -> int:
    """Returns the oldest start or end from a time on, which exists."""
    found: int = connection.execute(_OLDEST, {"ns": from_ns}).fetchone()[0]
    return found


def _prune_some(connection: "sqlite3.Connection", bounds: _Bounds) -> bool:
    """Looks at the next old runs and notes; returns whether there may be more."""
    forgotten = connection.execute(_FORGET, (bounds.old_ns, _AT_ONCE)).rowcount
    passes = [_pass(connection, column, condition, bounds) for column, condition in _PASSES.items()]
    has_more = monitor_tables.prune(connection, bounds.old_ns, _AT_ONCE)
    return forgotten == _AT_ONCE or has_more or any(passes)


def _pass(connection: "sqlite3.Connection", column: str, condition: str, bounds: _Bounds) -> bool:
    """Goes on where the last transaction stopped: runs that stay must not be looked at first each time."""
    place = connection.execute("SELECT at_ns, run_id FROM pruning WHERE what = ?", (column,)).fetchone()
    at_ns, run_id = place or (_NEVER, 0)
    values = {"at_ns": at_ns, "id": run_id, "old_ns": bounds.old_ns, "n": _AT_ONCE}
    found = connection.execute(_OLD.format(column=column), values).fetchall()
    delete = _DELETE.format(condition=condition)
    deleted = [(each,) for each, _ in found if connection.execute(delete, (each, bounds.before_id)).rowcount]
    connection.executemany("DELETE FROM output WHERE run_id = ?", deleted)
    if len(found) == _AT_ONCE:
        last_id, last_ns = found[-1]
        connection.execute("REPLACE INTO pruning VALUES (?, ?, ?)", (column, last_ns, last_id))
        return True
    if place is not None:
        connection.execute("DELETE FROM pruning WHERE what = ?", (column,))
    return False


def _is_news(connection: "sqlite3.Connection", what: str, at_ns: int) -> bool:
    """Returns whether something was not yet told of a file, and notes it as told."""
    if connection.execute("SELECT 1 FROM pruning WHERE what = ? AND at_ns = ?", (what, at_ns)).fetchone():
        return False
    connection.execute("REPLACE INTO pruning VALUES (?, ?, 0)", (what, at_ns))
    return True


def _date(time_ns: int) -> str:
    seconds = min(max(time_ns // 10**9, 0), 253_402_300_799)  # datetime knows no later year than 9999
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
