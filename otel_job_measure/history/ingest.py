"""Folding: what a batch of lines says of runs is put into the file, together with how far its segments are in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from otel_job_measure import names
from otel_job_measure.history.batch import ALWAYS, SUCCESS, WHOLE, Batch, Place, Runs, Whole
from otel_job_measure.history.chunks import Stretch
from otel_job_measure.history.row_parser import further_tags
from otel_job_measure.history.run_record import Ending, Key, Run

if TYPE_CHECKING:
    import sqlite3

COLUMNS: Final = (
    "id",
    "job",
    "datacenter",
    "project",
    "stage",
    "tags",
    "uuid",
    "started_ns",
    "ended_ns",
    "status",
    "reason",
    "success",
    "duration_s",
    "host",
    "trace_id",
    "span_id",
    "error_type",
    "error_message",
    "ending_rows",
    "lost_ns",
    "lost_rows",
    "lost_reason",
    "lost_host",
    "settled",
)
"""The columns of `runs`, in the order of the schema."""

_AT_ONCE: Final = 200
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM runs WHERE "  # noqa: S608 - names of ours
_INSERT: Final = f"INSERT INTO runs VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - the same
_REPLACE: Final = f"REPLACE INTO runs VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - the same
_NULL_IF_EMPTY: Final = "nullif(?, '')"
_INSERT_WHOLE: Final = (
    f"INSERT INTO runs ({', '.join(WHOLE)}, lost_rows, settled) "  # noqa: S608 - the same
    f"VALUES ({', '.join('?' if name in ALWAYS else _NULL_IF_EMPTY for name in WHOLE)}, 0, 1)"
)

_NOTE: Final = """
INSERT INTO segments VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET folded = ?, at_ns = excluded.at_ns
WHERE folded >= ? AND folded < ?
"""
_STARTED: Final = WHOLE.index("started_ns")
_TAGS: Final = WHOLE.index("tags")

_Row = tuple[Any, ...]
"""A row of `runs`: what SQLite gives has no types."""


def fold(connection: "sqlite3.Connection", batch: Batch, stretches: Sequence[Stretch], now_ns: int) -> bool:
    """Puts runs into the file, and notes that these parts of segments are in.

    Args:
        connection: In a transaction.
        batch: What the stretches say.
        stretches: Where it stands.
        now_ns: The wall time.

    Returns:
        Whether there are further tags that the views don't have a column for yet.
    """
    runs = batch.rest()
    for place in _perhaps_known(connection, batch.whole):
        batch.run(place)
    connection.executemany(_INSERT_WHOLE, batch.whole.values())
    ids, unchanged = _meet(connection, runs)
    connection.executemany(_INSERT, [_row(None, run) for place, run in runs.items() if place not in ids])
    known = ((run_id, runs[place]) for place, run_id in ids.items() if run_id not in unchanged)
    connection.executemany(_REPLACE, (_row(run_id, run) for run_id, run in known))
    _note(connection, stretches, now_ns)
    further = {row[_TAGS] for row in batch.whole.values()} | {key.tags for _, key in runs}
    return _note_further_tags(connection, further)


def _perhaps_known(connection: "sqlite3.Connection", whole: Mapping[Place, Whole]) -> list[Place]:
    """Returns which runs the file may know something of: it has their start, or their uuid without a start."""
    newest, has_unstarted = _newest(connection)
    old = [started_ns for row in whole.values() if (started_ns := row[_STARTED]) <= newest]
    known = _values(connection, "started_ns", "started_ns", old)
    found = [place for place, row in whole.items() if row[_STARTED] in known] if known else []
    if has_unstarted:
        uuids = _values(connection, "uuid", "settled = 0 AND uuid", [uuid for uuid, _ in whole])
        found += [place for place in whole if place[0] in uuids]
    return found


def _newest(connection: "sqlite3.Connection") -> tuple[int, bool]:
    """Returns the latest start in the file, and whether there are runs without one."""
    newest = connection.execute("SELECT max(started_ns) FROM runs").fetchone()[0] or 0
    unstarted = connection.execute("SELECT 1 FROM runs WHERE started_ns IS NULL LIMIT 1").fetchone()
    return newest, unstarted is not None


def _values(connection: "sqlite3.Connection", column: str, wanted: str, values: Sequence[object]) -> set[object]:
    """Returns which of these values there are in the file."""
    found: set[object] = set()
    for begin in range(0, len(values), _AT_ONCE):
        some = values[begin : begin + _AT_ONCE]
        query = f"SELECT {column} FROM runs WHERE {wanted} IN ({', '.join('?' * len(some))})"  # noqa: S608 - names of ours
        found.update(value for (value,) in connection.execute(query, some))
    return found


def _meet(connection: "sqlite3.Connection", runs: Runs) -> tuple[dict[tuple[str, Key], int], set[int]]:
    """Tells runs what the file knows of them; returns the ids of those it knows, and which know nothing new."""
    ids: dict[tuple[str, Key], int] = {}
    unchanged: set[int] = set()
    for row in chain(_known(connection, runs.values()), _taken_for_lost(connection, runs, ids)):
        key = Key._make(row[1:6])
        run = runs.get((row[6], key))
        if run is not None:
            ids[row[6], key] = row[0]
            run.take(_run(key, row))
            if _row(row[0], run) == row:
                unchanged.add(row[0])
    return ids, unchanged


def _known(connection: "sqlite3.Connection", runs: Iterable[Run]) -> Iterator[_Row]:
    """Yields the rows of these runs that are in the file, and maybe others that share a time or a uuid with one."""
    # A run that is settled here can only be in the file without its start, or with the same one.
    newest, unstarted = _newest(connection)
    left = iter(runs)
    while some := list(islice(left, _AT_ONCE)):
        starts = [run.started_ns for run in some if run.started_ns is not None and run.started_ns <= newest]
        ends = [ending.time_ns for run in some if run.started_ns is None for ending in run.endings()]
        yield from _found(connection, "started_ns", starts)
        yield from _found(connection, "ended_ns", ends)
        uuids = [run.uuid for run in some if unstarted or not run.settled]
        yield from _found(connection, "settled = 0 AND uuid", uuids)


def _taken_for_lost(connection: "sqlite3.Connection", runs: Runs, ids: Mapping[tuple[str, Key], int]) -> Iterator[_Row]:
    """Yields the rows of runs that came back before we hear that they were taken for lost.

    They are settled and have other times, so that nothing else finds them; but they ended later than that.
    """
    doubtful = [
        (ending.time_ns, run.uuid)
        for place, run in runs.items()
        if run.started_ns is None and place not in ids
        for ending in run.endings()
        if not ending.is_sure
    ]
    if doubtful:
        earliest = min(time_ns for time_ns, _ in doubtful)
        uuids = sorted({uuid for _, uuid in doubtful})
        for begin in range(0, len(uuids), _AT_ONCE):
            yield from _found(connection, f"ended_ns > {earliest} AND +uuid", uuids[begin : begin + _AT_ONCE])


def _found(connection: "sqlite3.Connection", column: str, values: Sequence[object]) -> Iterable[_Row]:
    if not values:
        return ()
    return connection.execute(f"{_SELECT} {column} IN ({', '.join('?' * len(values))})", values)


def _row(run_id: int | None, run: Run) -> _Row:
    ending, beaten = run.ending, run.beaten
    if ending is None:
        return (run_id, *run.key, run.uuid, run.started_ns, None, names.STATUS_START, *_NO_ENDING)
    time_ns, rows, status, reason, *details = ending
    lost = _NOT_LOST if beaten is None else (beaten.time_ns, beaten.rows, beaten.reason, beaten.host)
    known = (run_id, *run.key, run.uuid, run.started_ns, time_ns, status, reason, SUCCESS[status])
    return (*known, *details, rows, *lost, int(run.settled))


_NOT_LOST: Final = (None, 0, None, None)
_NO_ENDING: Final = (*[None] * 8, 0, *_NOT_LOST, 0)


def _run(key: Key, row: _Row) -> Run:
    run = Run(key, row[6])
    run.started_ns = row[7]
    if row[8] is not None:
        run.ending = Ending(row[8], row[18], row[9], row[10], *row[12:18])
    if row[19] is not None:
        run.beaten = Ending(row[19], row[20], names.STATUS_FAILED, reason=row[21], host=row[22])
    return run


def _note(connection: "sqlite3.Connection", stretches: Iterable[Stretch], now_ns: int) -> None:
    """Notes how far segments are in, of each only what follows on what is in already.

    A file that was begun anew knows nothing of a segment whose beginning it never saw: then it has to come again.
    """
    values = ((s.segment, s.end if s.begin == 0 else 0, now_ns, s.end, s.begin, s.end) for s in stretches)
    connection.executemany(_NOTE, values)


def _note_further_tags(connection: "sqlite3.Connection", texts: set[str]) -> bool:
    wanted = {name for text in texts for name in further_tags(text)}
    changes = connection.total_changes
    connection.executemany("INSERT OR IGNORE INTO further_tags VALUES (?)", [(name,) for name in wanted])
    return connection.total_changes > changes


def positions(connection: "sqlite3.Connection") -> dict[str, int]:
    """Reads how much of each segment is folded.

    Args:
        connection: In a transaction.

    Returns:
        Bytes by the segment's name.
    """
    return dict(connection.execute("SELECT name, folded FROM segments").fetchall())


def forget(connection: "sqlite3.Connection", segments: Iterable[str]) -> None:
    """Deletes what is known of segments.

    Args:
        connection: In a transaction.
        segments: Their names.
    """
    connection.executemany("DELETE FROM segments WHERE name = ?", [(name,) for name in segments])
