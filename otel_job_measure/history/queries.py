"""What the history gives back for delivery: rows as they were first written; and the output of commands."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from otel_job_measure.history.rows import SELECT, Row, runs_of
from otel_job_measure.history.run_record import OLD_ROW, RUN_ROW, Run, record_of
from otel_job_measure.points.rows import ending_lines, series, start_line
from otel_job_measure.points.tags import DefaultTags

if TYPE_CHECKING:
    import sqlite3

_MOST_CHARACTERS: Final = 4 * 1024 * 1024
EVER: Final = -(2**63)
"""A time before all others, in ns."""

_OUTPUT: Final = (
    "SELECT stream, data FROM output JOIN runs ON runs.id = run_id WHERE uuid = ? ORDER BY stream DESC LIMIT 3"
)
_AFTER: Final = f"{SELECT} WHERE id > ? AND (started_ns >= ? OR ended_ns >= ?) ORDER BY id LIMIT ?"


def rows_after(connection: "sqlite3.Connection", row_id: int, since_ns: int, limit: int) -> list[Row]:
    """Returns the next runs, in the order of their row ids, started or ended since a time; fewer large ones."""
    rows: list[Row] = []
    size = 0
    for row in connection.execute(_AFTER, (row_id, since_ns, since_ns, limit)):
        rows.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if size > _MOST_CHARACTERS:
            break
    return rows


def output(connection: "sqlite3.Connection", uuid: str) -> dict[str, bytes]:
    """Returns what is kept of a run's output, by the stream; it goes through all kept ones, which are few."""
    found: list[tuple[object, object]] = connection.execute(_OUTPUT, (uuid,)).fetchall()
    return {stream: data for stream, data in found if isinstance(stream, str) and isinstance(data, bytes)}


def lines_of(rows: Sequence[Row], destinations: Collection[str] | None) -> bytes:
    """Returns the rows of runs as they were first written; a run of unknown destination is always wanted."""
    runs = runs_of(rows)
    wanted = (run for run in runs if destinations is None or not run.destination or run.destination in destinations)
    return b"".join(map(_lines, wanted))


def _lines(run: Run) -> bytes:
    record = record_of(run)
    tags = DefaultTags(record.datacenter, record.project, record.stage, tuple(record.tags.items()))
    its_series = series(record.job, tags)
    lines = [] if run.started_ns is None else [start_line(its_series, run.uuid, run.started_ns)]
    for ending, rows in run.endings.values():
        both = ending_lines(its_series, ending, run_row=rows & RUN_ROW > 0, error_message=True)
        lines.append(both if rows & OLD_ROW else both[: both.index(b"\n") + 1])
    return b"".join(lines)
