"""Rows of the history become what people want to know of their runs."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from otel_job_measure.history.checked_run import CheckedRun, checked_run_of
from otel_job_measure.history.mark import Mark, mark_of
from otel_job_measure.history.records import records
from otel_job_measure.history.rows import SELECT, is_sound, runs_of
from otel_job_measure.history.run_record import RunRecord, record_of
from otel_job_measure.history.short_runs import columns_of, short_runs
from tests.history.support import history_in
from tests.history.test_queries import history_of_all_kinds

_GOOD: Final = ("a", 1, 3, "end", None, 2.0, "host-1", 1, 0.5, "schedule", "task", None)
"""A row of a checked run."""


def _rows(path: Path, where: str = "TRUE") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"{SELECT} WHERE {where} ORDER BY id").fetchall()


def test_a_record_says_what_the_run_of_its_row_says(tmp_path: Path) -> None:
    """Open runs, lost ones that came back, ones with half their rows: the short way gives the same values."""
    found = _rows(history_of_all_kinds(tmp_path).path)
    assert len(found) == 8
    assert records(found) == [record_of(run) for run in runs_of(found)]


@pytest.mark.parametrize(("kind", "of_record"), [(Mark, mark_of), (CheckedRun, checked_run_of)])
def test_a_mark_and_a_checked_run_say_what_the_record_says(
    tmp_path: Path, kind: type[Any], of_record: Callable[[RunRecord], object]
) -> None:
    """The short forms of each kind of run have the same values."""
    path = history_of_all_kinds(tmp_path).path
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"SELECT {columns_of(kind)} FROM runs ORDER BY id").fetchall()  # noqa: S608 - constant
    assert short_runs(kind, rows) == [*map(of_record, records(_rows(path)))]


@pytest.mark.parametrize("kind", [Mark, CheckedRun])
@pytest.mark.parametrize(
    ("column", "value"),
    [("started_ns", 1.5), ("uuid", None), ("status", b"end"), ("duration_s", float("inf")), ("reason", 3)],
)
def test_a_mark_and_a_checked_run_leave_out_the_same_rows(kind: type[Any], column: str, value: object) -> None:
    """A file may come from another program; the rows beside a wrong one are read."""
    wrong = [value if name == column else given for name, given in zip(CheckedRun._fields, _GOOD, strict=True)]
    length = len(kind._fields)
    (run,) = short_runs(kind, [_GOOD[:length], tuple(wrong)[:length]])
    assert run == kind._make(_GOOD[:length])


def test_a_mark_is_the_beginning_of_a_checked_run() -> None:
    """One rule reads both."""
    assert CheckedRun._fields[: len(Mark._fields)] == Mark._fields


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
