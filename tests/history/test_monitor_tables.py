"""The monitor's rows in the history."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history import monitor_tables
from otel_job_measure.points.monitor import Alive, Event, Expected, MonitorRow, Sender, State
from otel_job_measure.points.monitor_rows import line_of
from otel_job_measure.testing import ManualClock
from tests.history.support import DAY, NOW_NS, SECOND, Lines, chunk, history_in, rows

JOB = JobId("nightly", "billing", "production")
_ALIVE = Alive(
    tags={"job": "nightly", "project": "billing", "stage": "production"},
    at_ns=NOW_NS + 60 * SECOND,
    uuid="a",
    host="web-1",
    age_s=60.0,
    interval_s=60.0,
)
_MISSED = Event(job=JOB, event="missed", at_ns=NOW_NS, due_ns=NOW_NS, detail="no start")
_STATE = State(job=JOB, at_ns=NOW_NS, state="missed", level=2, since_ns=NOW_NS, due_ns=NOW_NS)
_EXPECTED = Expected(
    job=JOB, at_ns=NOW_NS, source="code", version=1, text=json.dumps({"origin": "billing", "host": None})
)
_SENDER = Sender(host="web-1", at_ns=NOW_NS, complete_until_ns=NOW_NS - 1, pending=3, left=False)
_TABLES = ("alive", "events", "states", "expected", "senders")
_ALL: tuple[MonitorRow, ...] = (_ALIVE, _MISSED, _STATE, _EXPECTED, _SENDER)


def fold(folder: Path, *rows_: MonitorRow | bytes, segment: str = "one") -> None:
    """Ingests rows, and other lines, as a segment."""
    lines = b"".join(each if isinstance(each, bytes) else line_of(each) for each in rows_)
    history_in(folder, ManualClock(wall=NOW_NS + DAY)).fold([chunk(lines, segment)])


def table(folder: Path, name: str) -> list[dict[str, object]]:
    """Returns the rows of a table."""
    return [dict(row) for row in rows(folder / "history.db", f"SELECT * FROM {name}")]  # noqa: S608 - constant


def test_each_row_of_a_segment_comes_into_its_table(tmp_path: Path) -> None:
    """The last word counts for states, expectations, signs of life and senders; every event stays."""
    fold(tmp_path, *_ALL)
    job, at = ("nightly", "billing", "production"), NOW_NS
    found = {name: [tuple(row.values()) for row in table(tmp_path, name)] for name in _TABLES}
    assert found == {
        "alive": [("a", *job, at + 60 * SECOND, "web-1", 60.0, 60.0)],
        "events": [(1, *job, "missed", at, at, None, "no start", 0)],
        "states": [(*job, at, "missed", 2, at, at)],
        "expected": [(*job, "code", "billing", "", at, 1, _EXPECTED.text)],
        "senders": [("web-1", at, at - 1, 3, 0)],
    }


def test_ingesting_twice_does_no_harm(tmp_path: Path) -> None:
    """A segment that comes again changes nothing."""
    fold(tmp_path, *_ALL)
    before = [table(tmp_path, name) for name in _TABLES]
    fold(tmp_path, *_ALL, segment="two")
    assert [table(tmp_path, name) for name in _TABLES] == before


def test_an_older_row_overwrites_no_later_one(tmp_path: Path) -> None:
    """Segments of several processes are not ingested in the order of their rows."""
    later = replace(_STATE, at_ns=NOW_NS + SECOND, state="ok", level=0)
    fold(tmp_path, later)
    fold(tmp_path, _STATE, segment="two")
    assert [row["state"] for row in table(tmp_path, "states")] == ["ok"]


def test_a_row_of_the_future_stays_until_the_next_one(tmp_path: Path) -> None:
    """A clock that was a year ahead must not hide a year of states."""
    fold(tmp_path, replace(_STATE, at_ns=NOW_NS + 365 * DAY), replace(_SENDER, at_ns=NOW_NS + 365 * DAY))
    fold(tmp_path, replace(_STATE, state="ok"), _SENDER, segment="two")
    assert [row["state"] for row in table(tmp_path, "states")] == ["ok"]
    assert [row["at_ns"] for row in table(tmp_path, "senders")] == [NOW_NS]


def test_a_refuted_miss_is_withdrawn(tmp_path: Path) -> None:
    """The same row, written again, overwrites the first as it does in InfluxDB, field by field."""
    fold(tmp_path, replace(_MISSED, uuid="x"), replace(_MISSED, withdrawn=True, detail="ran after all"))
    found = table(tmp_path, "events")
    assert [(row["withdrawn"], row["detail"], row["uuid"]) for row in found] == [(1, "ran after all", "x")]


def test_an_ended_run_has_no_sign_of_life(tmp_path: Path) -> None:
    """Its ending takes the row away; the rows of other runs stay."""
    fold(tmp_path, Lines(uuid="a").start(), _ALIVE, replace(_ALIVE, uuid="b"))
    fold(tmp_path, Lines(uuid="a").end(), segment="two")
    assert [row["uuid"] for row in table(tmp_path, "alive")] == ["b"]


def test_two_origins_of_one_job_stay_apart(tmp_path: Path) -> None:
    """Each service, file and host says something of its own; text that is no JSON has no origin."""
    web_2 = replace(_EXPECTED, text=json.dumps({"origin": "billing", "host": "web-2"}))
    fold(tmp_path, _EXPECTED, web_2, replace(_EXPECTED, text="[1]"), replace(_EXPECTED, text="{" * 5000))
    assert sorted((row["origin"], row["host"]) for row in table(tmp_path, "expected")) == [
        ("", ""),
        ("billing", ""),
        ("billing", "web-2"),
    ]


def test_old_rows_are_pruned_with_the_runs(tmp_path: Path) -> None:
    """Events, and what is not said again, go after the retention."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock)
    history.fold([chunk(b"".join(map(line_of, _ALL)) + Lines(uuid="a").start() + Lines(uuid="a").end(), "one")])
    days = b"".join(
        Lines(uuid=f"d{day}").start(NOW_NS + day * DAY) + Lines(uuid=f"d{day}").end(NOW_NS + day * DAY + SECOND)
        for day in range(1, 41)
    )
    clock.advance(41 * DAY / SECOND)
    new = replace(_MISSED, at_ns=NOW_NS + 40 * DAY)
    history.fold([chunk(days + line_of(new), "two")])
    assert [row["at_ns"] for row in table(tmp_path, "events")] == [new.at_ns]
    assert [table(tmp_path, name) for name in ("states", "expected", "senders", "alive")] == [[], [], [], []]


def test_the_rows_come_back_as_lines(tmp_path: Path) -> None:
    """For a new server: events, and the last states and expectations; not what was said of a moment that is over."""
    others = [replace(_MISSED, at_ns=NOW_NS + number) for number in range(1, 2500)]
    fold(tmp_path, *_ALL, Lines(uuid="a").start(), *others)
    lines = b"".join(history_in(tmp_path).points()).splitlines(keepends=True)
    assert lines[0] == Lines(uuid="a").start()
    expected: list[MonitorRow] = [_MISSED, *others, _STATE, _EXPECTED]
    assert lines[1:] == list(map(line_of, expected))
    assert list(history_in(tmp_path).points(NOW_NS + 2499)) == [line_of(others[-1])]
    assert list(history_in(tmp_path / "none").points()) == []


@pytest.mark.parametrize(
    "script",
    [
        "UPDATE events SET at_ns = 'x', detail = 5",
        "UPDATE events SET event = x'00'",
        "UPDATE events SET at_ns = 9223372036854775807",
        "UPDATE states SET level = 'high'",
        "UPDATE states SET since_ns = 1e300",
        "UPDATE expected SET version = 0.5",
        "UPDATE senders SET complete_until_ns = 'x'",
        "UPDATE alive SET interval_s = 'x'",
    ],
)
def test_rows_of_wrong_types_are_left_out(tmp_path: Path, script: str) -> None:
    """A file may come from another user: no question ends in an error, and the rows of the other tables are there."""
    fold(tmp_path, *_ALL)
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        connection.executescript(script)
    history = history_in(tmp_path)
    assert len(list(history.points())) in {2, 3}
    history.read(_ask_everything)


def _ask_everything(connection: sqlite3.Connection) -> None:
    monitor_tables.events(connection, 0, None)
    monitor_tables.states(connection)
    monitor_tables.expected(connection)
    monitor_tables.signs_of_life(connection)
    monitor_tables.senders(connection, 0)


@pytest.mark.parametrize("line", [b"scheduling-job-event,job=a due=1i 5\n", b"scheduling-job-state x 5\n"])
def test_what_is_no_row_is_left_out(tmp_path: Path, line: bytes) -> None:
    """A line of another program does not hold back the lines around it."""
    fold(tmp_path, line, _STATE, line)
    assert len(table(tmp_path, "states")) == 1
