"""Forks: a process may fork at any time, and neither it nor its child loses a row or hangs."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from otel_job_measure.history.history import History
from tests.history.support import NOW_NS, Lines, chunk, history_in, rows
from tests.support.uncovered import uncovered

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
_CHILDREN = 8


def _forked(number: int, path: Path) -> int:
    """Forks a child that folds one run, and returns its process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            line = Lines(uuid=f"child-{number}").start(NOW_NS + number)
            History(path, retention_s=1e9).fold([chunk(line, f"child-{number}")], patience_s=60)
            code = 0
        finally:
            os._exit(code)
    return child


def test_no_row_is_lost_when_a_process_forks_while_it_folds(tmp_path: Path) -> None:
    """Parent and children fold at the same time, and every run that anyone folded is there."""
    history = history_in(tmp_path)
    stop = threading.Event()
    folded: list[int] = []

    def fold() -> None:
        while not stop.is_set():
            number = len(folded)
            line = Lines(uuid=f"parent-{number}").start(NOW_NS + 1000 + number)
            history.fold([chunk(line, f"parent-{number}")], patience_s=60)
            folded.append(number)

    thread = threading.Thread(target=fold)
    thread.start()
    try:
        children = [_forked(number, history.path) for number in range(_CHILDREN)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    finally:
        stop.set()
        thread.join()
    assert codes == [0] * _CHILDREN
    found = {row["uuid"] for row in rows(history.path, "SELECT uuid FROM runs")}
    expected = {f"child-{number}" for number in range(_CHILDREN)} | {f"parent-{number}" for number in folded}
    assert found == expected
    assert rows(history.path, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_a_fork_waits_for_the_transaction_that_is_under_way(tmp_path: Path) -> None:
    """The child never begins with the file open."""
    history = history_in(tmp_path)
    begun, done = threading.Event(), threading.Event()

    def hold() -> None:
        with history._database.transaction() as connection:
            begun.set()
            # Long enough for the other thread to come to its fork.
            connection.execute(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT max(i) FROM n"
            ).fetchall()
            done.set()

    thread = threading.Thread(target=hold)
    thread.start()
    assert begun.wait(60)
    child = os.fork()
    if child == 0:
        os._exit(0 if done.is_set() else 1)
    was_done = done.is_set()
    thread.join()
    assert was_done
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_sqlite_is_loaded_with_the_history_and_nowhere_else(tmp_path: Path) -> None:
    """Importing the package does not load it, the history does, and the thread that ingests imports nothing."""
    script = f"""
import pathlib, sys, threading
import otel_job_measure.history, otel_job_measure.runtime.pipeline
assert "sqlite3" not in sys.modules
import otel_job_measure.history.history
assert "sqlite3" in sys.modules
from tests.history.support import Lines, history_in, chunk
history = history_in(pathlib.Path({str(tmp_path)!r}))
before = set(sys.modules)
def fold():
    history.fold([chunk(Lines(uuid="a").start() + Lines(uuid="a", job="b c").end() + b"odd line\\n")])
thread = threading.Thread(target=fold)
thread.start()
thread.join()
assert len(history.latest(limit=9)) == 2
assert set(sys.modules) == before, set(sys.modules) - before
"""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script]  # coverage itself would load SQLite
    run = subprocess.run(command, cwd=root, env=uncovered(), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
