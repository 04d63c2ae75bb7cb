import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.recorded import Runs
from tests.support.processes import SHIP, Process, Processes

pytestmark = pytest.mark.acceptance
HERD = 16


def killed_at_once(app: Process, runs: Runs) -> dict[str, str]:
    """Kills all processes of the app `herd` in the middle of a run; returns how each run has ended."""
    told = [app.line().split() for _ in range(HERD)]
    done, lost = [one[1] for one in told], [one[2] for one in told]
    runs.become(dict.fromkeys(done, "end") | dict.fromkeys(lost, "start"), "all starts are in InfluxDB")
    for pid, *_ in told:
        os.kill(int(pid), signal.SIGKILL)
    assert app.end() == 0
    return dict.fromkeys(done, "end") | dict.fromkeys(lost, "lost")


def in_history(state_dir: Path) -> dict[str, str]:
    """Returns how each run ended as the local history has it, by uuid; no uuid is there twice."""
    with closing(sqlite3.connect(f"file:{state_dir}/history.db?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT uuid, coalesce(reason, status) FROM runs").fetchall()
    found = dict(rows)
    assert len(found) == len(rows)
    return found


def test_processes_that_are_killed_at_once_leave_each_its_lost_run(
    processes: Processes, runs: Runs, state_dir: Path
) -> None:
    """Of 16 processes killed in one job each run is lost, once and at a time of its own, however many adopt."""
    expected = killed_at_once(processes.app("herd", str(HERD), **runs.variables), runs)
    adopters = [processes.start(*SHIP, "--once", **runs.variables) for _ in range(3)]
    others = [processes.driver(**runs.variables) for _ in range(2)]
    expected |= {other.run("herd"): "end" for other in others}
    assert [process.end() for process in (*adopters, *others)] == [0] * 5
    code, _, _ = processes.ship(**runs.variables)  # points of processes that came too late
    assert code == 0
    assert runs.outcomes() == expected
    lost = [run.rows for run in runs.all().values() if run.outcome == "lost"]
    assert len(lost) == HERD
    assert len({end.time_ns for _, end, _ in lost}) == HERD
    for start, end, row in lost:
        assert start.time_ns < end.time_ns == row.time_ns
        assert row.fields.keys() == {"uuid", "success", "host"}
    assert in_history(state_dir) == expected
