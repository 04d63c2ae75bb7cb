"""Rows of the history become what people want to know of their runs."""

import sqlite3
from contextlib import closing
from pathlib import Path

from otel_job_measure.history.mark import COLUMNS, Mark, mark_of, marks
from otel_job_measure.history.records import records
from otel_job_measure.history.rows import SELECT, is_sound, runs_of
from otel_job_measure.history.run_record import record_of
from tests.history.support import history_in
from tests.history.test_queries import history_of_all_kinds


def _rows(path: Path, where: str = "TRUE") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"{SELECT} WHERE {where} ORDER BY id").fetchall()


def test_a_record_says_what_the_run_of_its_row_says(tmp_path: Path) -> None:
    """Open runs, lost ones that came back, ones with half their rows: the short way gives the same values."""
    found = _rows(history_of_all_kinds(tmp_path).path)
    assert len(found) == 8
    assert records(found) == [record_of(run) for run in runs_of(found)]


def test_a_mark_says_what_the_record_says(tmp_path: Path) -> None:
    """The short form of each kind of run has the same values."""
    path = history_of_all_kinds(tmp_path).path
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"SELECT {COLUMNS} FROM runs ORDER BY id").fetchall()  # noqa: S608 - constant
    assert [*marks(rows)] == [mark_of(each) for each in records(_rows(path))]


def test_a_mark_of_a_row_with_wrong_types_is_left_out() -> None:
    """A file may come from another program."""
    good = ("a", 1, 3, "end", None, float("inf"))
    assert [*marks([("a", 1.5, 3, "end", None, 2.0), (None, 1, 3, "end", None, 2.0), good])] == [
        Mark("a", 1, 3, "end", None, None)
    ]


def test_rows_that_the_package_cannot_have_written_are_left_out(tmp_path: Path) -> None:
    """A wrong type, a line feed, a number that is none, a missing value, an odd status, tags that are no object."""
    path = history_of_all_kinds(tmp_path).path
    (good,) = _rows(path, "uuid = 'scheduled'")
    assert is_sound(good)
    with closing(sqlite3.connect(path)) as connection:
        for column, value in (
            ("host", b"bytes"),
            ("attempt", 1.5),
            ("host", "two\nlines"),
            ("lag_s", float("inf")),
            ("uuid", ""),
            ("status", "odd"),
            ("lost_status", "odd"),
            ("tags", "[]"),
            ("tags", '{"a": 1}'),
        ):
            connection.execute("BEGIN")
            connection.execute(f"UPDATE runs SET {column} = ? WHERE uuid = 'scheduled'", (value,))  # noqa: S608
            (row,) = connection.execute(f"{SELECT} WHERE id = ?", (good[0],))
            assert is_sound(row) == (value == ""), (column, value)
            assert len(records([row])) == (value == "")
            connection.execute("ROLLBACK")
    assert history_in(tmp_path).latest(limit=1)
