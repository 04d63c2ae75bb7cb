"""What the history knows of the present, by the segments of living processes."""

import os
import time
from datetime import datetime
from pathlib import Path

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.history.history import History
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.runtime.present import note_present
from otel_job_measure.settings import Settings
from otel_job_measure.testing import ManualClock
from tests.history.support import rows

_S = 10**9


class _Present:
    """A history that is read some seconds from now."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir

    def read(self, *, in_s: float, heartbeat_s: float = 10.0, after: datetime | None = None) -> list[str]:
        """Notes the present as a command some seconds from now or `after` a time; returns the runs that are alive."""
        history, _ = up_to_date(Settings(state_dir=self.state_dir, heartbeat_s=0))
        now_ns = time.time_ns() if after is None else int(after.timestamp() * 1e9)
        clock = ManualClock(wall=now_ns + int(in_s * _S))
        state = StateDir(self.state_dir)
        note_present(history, state, host="h", heartbeat_s=heartbeat_s, began_ns=clock.wall_ns(), clock=clock)
        return [row["uuid"] for row in rows(history.path, "SELECT uuid FROM alive")]

    def words(self) -> list[dict[str, object]]:
        return rows(self.state_dir / "history.db", "SELECT * FROM senders WHERE host = 'h'")


@pytest.fixture
def present(state_dir: Path) -> _Present:
    """The present of a state directory."""
    return _Present(state_dir)


def test_an_open_run_is_alive_when_the_history_is_read(present: _Present) -> None:
    """A short one is not yet, and one that has ended no longer."""
    measure = JobMeasure(state_dir=present.state_dir, project="billing")
    with measure.run("nightly") as run:
        assert present.read(in_s=5, after=run.started) == []
        assert present.read(in_s=30, after=run.started) == [run.uuid]
        (row,) = rows(present.state_dir / "history.db", "SELECT * FROM alive")
        assert (row["job"], row["project"], row["host"]) == ("nightly", "billing", os.uname().nodename)
        assert row["age_s"] == pytest.approx(30.0, abs=0.001)
    assert present.read(in_s=35) == []
    measure.close()


def test_a_process_that_gives_no_sign_of_life_is_not_alive(present: _Present) -> None:
    """It has its lock and is stopped: the last sign that was seen stays, so that its age tells."""
    measure = JobMeasure(state_dir=present.state_dir)
    with measure.run("nightly") as run:
        present.read(in_s=30)
        (before,) = rows(present.state_dir / "history.db", "SELECT at_ns FROM alive")
        assert present.read(in_s=600) == [run.uuid]
        assert rows(present.state_dir / "history.db", "SELECT at_ns FROM alive") == [before]
    measure.close()


def test_heartbeats_can_be_off(present: _Present) -> None:
    """Then no run is alive, and the history still says up to when it is complete."""
    measure = JobMeasure(state_dir=present.state_dir)
    with measure.run("nightly"):
        assert present.read(in_s=30, heartbeat_s=0) == []
    measure.close()
    assert len(present.words()) == 1


def test_the_history_says_up_to_when_it_is_complete(present: _Present) -> None:
    """Once a minute at most, because each word is a write."""
    measure = JobMeasure(state_dir=present.state_dir)
    with measure.run("nightly"):
        pass
    now_ns = time.time_ns()
    present.read(in_s=0)
    (word,) = present.words()
    assert now_ns - 3 * _S < int(str(word["complete_until_ns"])) <= now_ns + 60 * _S
    present.read(in_s=30)
    assert present.words() == [word]
    present.read(in_s=100)
    assert present.words() != [word]
    measure.close()


def test_without_a_history_nothing_is_made(tmp_path: Path) -> None:
    """A command that reads an empty state directory writes nothing."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    history = History(folder / "history.db", retention_s=60.0)
    clock = ManualClock()
    note_present(history, StateDir(folder), host="h", heartbeat_s=10.0, began_ns=0, clock=clock)
    assert list(folder.iterdir()) == []
