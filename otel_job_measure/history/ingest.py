"""Ingest: puts the runs of a batch of rows into the history, and notes how far each segment is in."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_job_measure.history import jobs, last_runs, monitor_tables
from otel_job_measure.history.rows import COLUMNS, SELECT, UUID, Row, is_sound, job_in, key_in, row_of, run_of
from otel_job_measure.history.run_record import Batch, Run
from otel_job_measure.journal.interfaces import Chunk
from otel_job_measure.journal.kept_output import STACK

if TYPE_CHECKING:
    import sqlite3

FIRST_BYTES: Final = 64 * 1024
"""The size of the first transaction."""
LEAST_BYTES: Final = 16 * 1024
"""The least size of a transaction on a slow machine."""

_NOTE: Final = """
INSERT INTO segments VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET folded = ?, at_ns = excluded.at_ns
WHERE folded >= ? AND folded < ?
"""
_KEEP: Final = "REPLACE INTO output SELECT id, ?, ? FROM runs WHERE {} = ? AND uuid = ?"
"""An output without its run is left out: it comes after the run's ending, and a stack after its start."""
_AT_ONCE: Final = 200
_MOST_ALIKE: Final = 10 * _AT_ONCE
"""How many rows may share the times or uuids of so many runs; a foreign file may have any number."""
_MOST_POSITIONS: Final = 300_000
_SECOND_ENDING_NS: Final = 3600 * 1_000_000_000
"""How long after an ending of a run another one may come that is stamped earlier than it."""


class Pace(NamedTuple):
    """How much one transaction may do, and how long."""

    aim_ns: int
    """How long its statements should take; the commit comes on top."""
    most_bytes: int
    """How many bytes of segments it may have."""
    upgrade_s: float
    """How long it may take to upgrade a file, which reads all runs of it."""


BESIDE_JOBS: Final = Pace(aim_ns=7_000_000, most_bytes=1024 * 1024, upgrade_s=5.0)
"""In a process that has jobs, whose forks wait for a transaction: it may take 20 ms."""
ALONE: Final = Pace(aim_ns=150_000_000, most_bytes=2 * 1024 * 1024, upgrade_s=60.0)
"""In a command, which never forks. Larger ones wait less often for the disk, but cost the garbage collector more."""


class Stretch(NamedTuple):
    """The whole lines of a segment that one transaction gets."""

    segment: str
    begin: int
    """The offset of the first byte."""
    end: int
    """The offset after the last byte."""
    data: bytes
    host: str


def stretches(
    chunks: Iterable[Chunk], positions: Mapping[str, int], room: Callable[[], int]
) -> Iterator[list[Stretch]]:
    """Yields what each transaction gets: `room` tells its bytes, and `positions` what the history has already."""
    batch: list[Stretch] = []
    left = room()
    for chunk in chunks:
        at = max(0, positions.get(chunk.segment, 0) - chunk.offset)
        while at < len(chunk.data):
            end = chunk.data.find(b"\n", min(at + left, len(chunk.data)) - 1) + 1 or len(chunk.data)
            batch.append(Stretch(chunk.segment, chunk.offset + at, chunk.offset + end, chunk.data[at:end], chunk.host))
            left -= end - at
            at = end
            if left <= 0:
                yield batch
                batch, left = [], room()
    if batch:
        yield batch


def next_room(pace: Pace, room: int, used: int, took_ns: int) -> int:
    """Returns how many bytes the next transaction may have, after one that used some of its room."""
    if took_ns <= pace.aim_ns and used < room // 2:
        return room  # a small transaction says nothing about a large one
    wanted = used * pace.aim_ns // max(took_ns, 1)
    return min(max(wanted, room // 4, LEAST_BYTES), room * 2, pace.most_bytes)


def fold(connection: "sqlite3.Connection", batch: Batch, noted: Sequence[Stretch], now_ns: int) -> bool:
    """Puts a batch into the file, and notes the segments' positions; returns whether there are new further tags."""
    rows: list[Row] = []
    left = iter(batch.runs.values())
    while some := list(islice(left, _AT_ONCE)):
        known = {(row[UUID], key_in(row)): row for row in _known(connection, some) if is_sound(row)}
        for run in some:
            row = known.get((run.uuid, run.key))
            if row is not None:
                run.take(run_of(row))
            new = row_of(None if row is None else row[0], run)
            if new != row:
                rows.append(new)
    _put(connection, rows)
    for each in batch.outputs:
        found_by = "started_ns" if each.stream == STACK else "ended_ns"
        connection.execute(_KEEP.format(found_by), (each.stream, each.data, each.at_ns, each.uuid))
    last_runs.note(connection, batch.runs.values(), now_ns)
    monitor_tables.put(connection, batch.monitor, now_ns)
    monitor_tables.forget_ended(connection, batch.runs.values())
    # A file that was begun anew has not seen the beginning of a segment, which then has to come again.
    notes = ((s.segment, s.end if s.begin == 0 else 0, now_ns, s.end, s.begin, s.end) for s in noted)
    connection.executemany(_NOTE, notes)
    return _note_further_tags(connection, {key.tags for _, key in batch.runs})


def _put(connection: "sqlite3.Connection", rows: Sequence[Row]) -> None:
    """Writes rows; columns that are NULL in all of them are left out, because a NULL costs the driver most."""
    used = [at for at in range(len(COLUMNS)) if any(row[at] is not None for row in rows)]
    if used:
        ids = jobs.ids_of(connection, {job_in(row) for row in rows})
        columns, marks = ", ".join(COLUMNS[at] for at in used), ", ".join("?" * len(used))
        values_of = itemgetter(*used)
        connection.executemany(
            f"REPLACE INTO runs ({columns}, job_id, filed) VALUES ({marks}, ?, 1)",  # noqa: S608 - constant names
            ((*values_of(row), ids[job_in(row)]) for row in rows),
        )


def _known(connection: "sqlite3.Connection", runs: Sequence[Run]) -> Iterator[Row]:
    """Yields the rows of these runs that are in the file, and perhaps others that share a time or a uuid with one.

    An index over all uuids would make every transaction write to as many of its pages as it has runs, because uuids are
    random. So runs are found by their times, and only unsettled ones by their uuid.
    """
    places = {(run.uuid, run.key) for run in runs}
    newest = (
        connection.execute("SELECT max(started_ns) FROM runs WHERE started_ns < ?", (2**63 - 1,)).fetchone()[0] or 0
    )
    starts = [run.started_ns for run in runs if run.started_ns is not None and run.started_ns <= newest]
    ends = [end_ns for run in runs if run.started_ns is None for end_ns in run.endings]
    for row in chain(
        _found(connection, "started_ns", starts),
        _found(connection, "ended_ns", ends),
        _found(connection, "settled = 0 AND uuid", [run.uuid for run in runs]),
    ):
        places.discard((row[UUID], key_in(row)))
        yield row
    yield from _ended_before(
        connection, [run for run in runs if run.started_ns is None and (run.uuid, run.key) in places]
    )


def _ended_before(connection: "sqlite3.Connection", runs: Sequence[Run]) -> Iterable[Row]:
    """Returns the settled rows of runs that get a second ending, at another time."""
    if not runs:
        return ()
    earliest_ns = min(end_ns for run in runs for end_ns in run.endings) - _SECOND_ENDING_NS
    # The plus sign keeps SQLite from any index but that of the times.
    return _found(connection, f"ended_ns > {earliest_ns} AND +uuid", [run.uuid for run in runs])


def _found(connection: "sqlite3.Connection", wanted: str, values: Sequence[object]) -> Iterable[Row]:
    if not values:
        return ()
    marks = ", ".join("?" * len(values))
    return connection.execute(f"{SELECT} WHERE {wanted} IN ({marks}) LIMIT {_MOST_ALIKE}", values)


def _note_further_tags(connection: "sqlite3.Connection", texts: set[str]) -> bool:
    wanted: set[str] = {name for text in texts for name in json.loads(text)}
    changes = connection.total_changes
    connection.executemany("INSERT OR IGNORE INTO further_tags VALUES (?)", [(name,) for name in wanted])
    return connection.total_changes > changes


def positions(connection: "sqlite3.Connection") -> dict[str, int]:
    """Returns how many bytes of each segment are in."""
    # A foreign file may have other types, and any number.
    wanted = "typeof(folded) = 'integer' AND typeof(name) = 'text' AND length(name) < 256"
    query = f"SELECT name, folded FROM segments WHERE {wanted} LIMIT {_MOST_POSITIONS}"  # noqa: S608 - constant
    return dict(connection.execute(query).fetchall())


def forget(connection: "sqlite3.Connection", segments: Iterable[str]) -> None:
    """Deletes the notes about segments."""
    connection.executemany("DELETE FROM segments WHERE name = ?", [(name,) for name in segments])
