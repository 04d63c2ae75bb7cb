"""A history of the previous version is upgraded and keeps its runs."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from otel_job_measure.errors import HistoryError
from otel_job_measure.history import filing
from otel_job_measure.history import history as module
from otel_job_measure.history.history import History
from otel_job_measure.history.ingest import ALONE, BESIDE_JOBS
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.run_store import ALL
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.testing import ManualClock
from tests.history.support import DAY, NOW_NS, SECOND, Lines, chunk, history_in, rows, runs, uuids

_COLUMNS = (
    *("job", "datacenter", "project", "stage", "tags", "uuid", "started_ns", "ended_ns", "status", "reason"),
    *("success", "duration_s", "host", "trace_id", "span_id", "error_type", "error_message", "ending_rows"),
    *("lost_ns", "lost_rows", "lost_reason", "lost_host", "settled"),
)
_RUN: Mapping[str, object] = {
    "job": "nightly",
    "datacenter": "fra",
    "project": "billing",
    "stage": "production",
    "tags": "{}",
    "uuid": "open",
    "started_ns": NOW_NS,
    "status": "start",
    "ending_rows": 0,
    "lost_rows": 0,
    "settled": 0,
}
_BACK: Mapping[str, object] = {
    "tags": '{"host.name":"web-1"}',
    "uuid": "back",
    "ended_ns": NOW_NS + 9 * SECOND,
    "status": "end",
    "success": 1.0,
    "duration_s": 9.0,
    "host": "host-1",
    "ending_rows": 3,
    "lost_ns": NOW_NS + SECOND,
    "lost_rows": 3,
    "lost_reason": "lost",
    "lost_host": "host-1",
    "settled": 1,
}


def version_1(path: Path) -> None:
    """Makes a history of version 1 with an open run, and one that was taken for lost and came back."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "version_1.sql").read_text())
        connection.execute(f"PRAGMA application_id = {0x6F6A6D68}")
        connection.execute("PRAGMA user_version = 1")
        statement = f"INSERT INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - constant names
        connection.executemany(statement, [[run.get(name) for name in _COLUMNS] for run in (_RUN, {**_RUN, **_BACK})])
        connection.execute("INSERT INTO further_tags VALUES ('host.name')")
        connection.execute("INSERT INTO segments VALUES ('local-1.lp', 5, ?)", [NOW_NS])
        connection.commit()


def test_an_older_history_keeps_its_runs(tmp_path: Path) -> None:
    """The first use upgrades it: the runs are there, with the new columns empty, and new runs join them."""
    version_1(tmp_path / "history.db")
    history = history_in(tmp_path)
    assert uuids(history) == ["open", "back"]
    assert history.positions() == {"local-1.lp": 5}
    history.fold([chunk(Lines(uuid="open").end(), "local-2.lp")])
    back, ended = runs(history)
    assert (back["attempt"], back["lost_status"], back["lost_values"]) == (None, "failed", '{"host":"host-1"}')
    assert (ended["status"], ended["ending_rows"]) == ("end", 3)


def test_its_views_are_those_of_a_new_one(tmp_path: Path) -> None:
    """Both measurements have all columns, further tags included, and every row."""
    version_1(tmp_path / "history.db")
    uuids(history_in(tmp_path))
    old = rows(tmp_path / "history.db", 'SELECT time, uuid, status, "host.name" FROM "scheduling-job" ORDER BY 1, 2')
    assert [tuple(row.values()) for row in old] == [
        (NOW_NS, "back", "start", "web-1"),
        (NOW_NS, "open", "start", None),
        (NOW_NS + SECOND, "back", "failed", "web-1"),
        (NOW_NS + 9 * SECOND, "back", "end", "web-1"),
    ]
    run = rows(tmp_path / "history.db", 'SELECT time, reason, success, host, attempt FROM "scheduling-job-run"')
    assert [tuple(row.values()) for row in run] == [
        (NOW_NS + SECOND, "lost", 0.0, "host-1", None),
        (NOW_NS + 9 * SECOND, None, 1.0, "host-1", None),
    ]


def test_an_upgraded_history_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    """Columns, types and indexes are the same; only the order of columns differs."""
    version_1(tmp_path / "history.db")
    uuids(history_in(tmp_path))
    history_in(tmp_path / "new").fold([chunk(Lines(uuid="a").start())])
    assert _shape(tmp_path / "history.db") == _shape(tmp_path / "new" / "history.db")
    assert rows(tmp_path / "history.db", "PRAGMA user_version") == [{"user_version": 6}]


def test_the_last_runs_of_an_older_history_stay(tmp_path: Path) -> None:
    """The upgrade notes each job's last run and last success."""
    version_1(tmp_path / "history.db")
    uuids(history_in(tmp_path))
    last = rows(tmp_path / "history.db", "SELECT job, project, stage, what, uuid FROM last_runs ORDER BY what")
    assert [tuple(row.values()) for row in last] == [
        ("nightly", "billing", "production", "run", "open"),
        ("nightly", "billing", "production", "success", "back"),
    ]


def _shape(path: Path) -> list[tuple[object, ...]]:
    columns = rows(path, "SELECT name, type, \"notnull\", pk FROM pragma_table_info('runs') ORDER BY name")
    others = rows(path, "SELECT type, name FROM sqlite_master ORDER BY name")
    return [tuple(row.values()) for row in (*columns, *others)]


def _empty(connection: sqlite3.Connection, version: int) -> None:
    """Makes the tables of a former version."""
    connection.executescript((Path(module.__file__).parent / "former" / f"{version}.sql").read_text())
    connection.execute(f"PRAGMA application_id = {0x6F6A6D68}")
    connection.execute(f"PRAGMA user_version = {version}")


def version_4(path: Path, runs: int) -> None:
    """Makes a history of version 4 with runs of two jobs; every third one lacks the id of its job."""
    with closing(sqlite3.connect(path)) as connection:
        _empty(connection, 4)
        connection.execute("INSERT INTO jobs VALUES (1, 'nightly', 'billing', 'production')")
        ended = {**_BACK, "lost_ns": None, "lost_rows": 0, "lost_reason": None, "tags": "{}"}
        del ended["lost_host"]
        for number in range(runs):
            job = {"job": "hourly"} if number % 3 == 0 else {"job_id": 1}
            run = {**_RUN, **ended, **job, "uuid": f"r{number}", "started_ns": NOW_NS + number}
            names = ", ".join(run)
            connection.execute(f"INSERT INTO runs ({names}) VALUES ({', '.join('?' * len(run))})", [*run.values()])  # noqa: S608
        connection.commit()


def test_an_upgrade_puts_no_run_into_the_new_index_at_once(tmp_path: Path) -> None:
    """A million runs would take seconds; each ingest files some, the newest first, in short transactions."""
    path = tmp_path / "history.db"
    version_4(path, 5000)
    history = history_in(tmp_path)
    assert len(uuids(history)) == 100
    assert rows(path, "SELECT count(filed) AS n FROM runs") == [{"n": 0}]
    history.fold([chunk(Lines(uuid="a").start(NOW_NS + DAY))])
    (filed,) = rows(path, "SELECT count(filed) AS n, min(id) AS first FROM runs WHERE filed = 1")
    assert filed == {"n": 1 + module._STEPS * filing._AT_ONCE, "first": 5001 - module._STEPS * filing._AT_ONCE}
    history_in(tmp_path).fold([chunk(Lines(uuid="b").start(NOW_NS + DAY), "local-2.lp")])
    assert rows(path, "SELECT count(filed) AS n, count(job_id) AS ids FROM runs") == [{"n": 5002, "ids": 5002}]
    assert rows(path, "SELECT * FROM pruning WHERE what = 'unfiled'") == []


def test_an_ingest_into_an_upgraded_history_files_what_it_touches(tmp_path: Path) -> None:
    """An open run of a former version is filed when its ending comes, and then not once more."""
    path = tmp_path / "history.db"
    version_4(path, 3)
    rows(path, "UPDATE runs SET status = 'start', ended_ns = NULL, settled = 0, success = NULL WHERE uuid = 'r1'")
    history_in(tmp_path).fold([chunk(Lines(uuid="r1").end(NOW_NS + 9 * SECOND))])
    assert rows(path, "SELECT uuid, job_id, filed FROM runs ORDER BY uuid") == [
        {"uuid": "r0", "job_id": 2, "filed": 1},
        {"uuid": "r1", "job_id": 1, "filed": 1},
        {"uuid": "r2", "job_id": 1, "filed": 1},
    ]


def version_5(path: Path, runs: int) -> None:
    """Makes a history of version 5 of one that is new: the same runs, without the new index."""
    history_in(path.parent / "new").fold([chunk(b"".join(_either(number) for number in range(runs)))])
    with closing(sqlite3.connect(path)) as connection:
        _empty(connection, 5)
        connection.execute("ATTACH ? AS new", [str(path.parent / "new" / "history.db")])
        for table in ("runs", "jobs", "last_runs"):
            connection.execute(f"INSERT INTO {table} SELECT * FROM new.{table}")  # noqa: S608 - constant names
        connection.commit()


def _either(number: int) -> bytes:
    """Returns the rows of a run: every third one fails, and every fifth one is open."""
    lines = Lines(uuid=f"r{number}")
    if number % 5 == 0:
        return lines.start(NOW_NS + number)
    outcome = Outcome("error", "ValueError") if number % 3 == 0 else None
    return lines.start(NOW_NS + number) + lines.end(NOW_NS + SECOND + number, outcome)


def test_the_runs_without_success_of_an_older_history_are_counted(tmp_path: Path) -> None:
    """The upgrade puts them into their index: counts and failures are those of a new history."""
    version_5(tmp_path / "history.db", 60)
    upgraded = HistoryStore(history_in(tmp_path), ManualClock(wall=NOW_NS))
    new = HistoryStore(history_in(tmp_path / "new"), ManualClock(wall=NOW_NS))
    (summary,), (failure,) = upgraded.summaries(ALL), upgraded.failures(ALL)
    assert (summary.runs, summary.ended, summary.failed, summary.running) == (60, 32, 16, 12)
    assert (failure.error_type, failure.count) == ("ValueError", 16)
    assert [summary] == new.summaries(ALL)
    assert [failure] == new.failures(ALL)


class _SlowClock(ManualClock):
    """A clock on which a second passes between two looks."""

    def monotonic_ns(self) -> int:
        self.monotonic += SECOND
        return self.monotonic


def test_a_command_takes_longer_for_the_upgrade_of_a_large_file(tmp_path: Path) -> None:
    """A process with jobs gives up after some seconds, and says so; the file stays as it is until a command comes."""
    path = tmp_path / "history.db"
    version_4(path, 40_000)
    with pytest.raises(HistoryError, match="SQLite takes too long with it"):
        History(path, retention_s=DAY, clock=_SlowClock(wall=NOW_NS), pace=BESIDE_JOBS).latest(limit=1)
    assert rows(path, "PRAGMA user_version") == [{"user_version": 4}]
    assert len(History(path, retention_s=DAY, clock=_SlowClock(wall=NOW_NS), pace=ALONE).latest(limit=1)) == 1
