"""The history as commands read it: with everything in it that can be, and nothing of others taken away."""

import subprocess
import sys
from pathlib import Path

import pytest

from otel_job_measure import JobMeasure, Settings
from otel_job_measure.errors import SettingsError, StateDirError
from otel_job_measure.journal import state_dir as state_dir_module
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.history_reader import opened, up_to_date
from tests.runtime.support import DEAD, as_a_stranger, history, run, segments, there

KILLED = """
import os, signal
from otel_job_measure import JobMeasure
with JobMeasure().run("killed"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_runs_of_living_processes_are_in(state_dir: Path) -> None:
    """Also while they run, and the living one's segment stays where it is."""
    with JobMeasure().run("open"):
        assert history(state_dir) == [("open", "running", None)]
        assert len(segments(state_dir)) == 1
    assert history(state_dir) == [("open", "end", None)]


def test_runs_of_dead_processes_are_lost(state_dir: Path) -> None:
    """A reader ends them, and deletes segments that no server needs."""
    subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert len(segments(state_dir)) == 1
    assert history(state_dir) == [("killed", "failed", "lost")]
    assert segments(state_dir) == []
    assert history(state_dir) == [("killed", "failed", "lost")]


def test_what_waits_for_a_server_is_kept(state_dir: Path) -> None:
    """It is in the history, and its segment stays until a shipper sends it."""
    measure = JobMeasure(**there(DEAD))
    run(measure, "nightly")
    assert not measure.close(0.1)
    assert history(state_dir) == [("nightly", "end", None)]
    assert [path.parent.name for path in segments(state_dir)] == ["ready"]


def test_while_another_process_adopts_nothing_is_deleted(state_dir: Path) -> None:
    """A reader does not wait for another process, and takes nothing from it."""
    subprocess.run([sys.executable, "-c", KILLED], check=False)
    with StateDir(state_dir).adopting() as held:
        assert held
        assert history(state_dir) == [("killed", "running", None)]
        assert len(segments(state_dir)) == 1


def test_nothing_was_ever_measured(state_dir: Path) -> None:
    """Then there is nothing to tell, and no error."""
    history, behind = up_to_date(Settings(state_dir=state_dir))
    assert history.latest(limit=10) == []
    assert behind.points == 0


def test_a_state_directory_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    """It names the folder, and is an OSError too."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateDirError, match="file") as caught:
        up_to_date(Settings(state_dir=tmp_path / "file"))
    assert isinstance(caught.value, OSError)


def test_one_that_is_damaged_is_read_as_far_as_it_goes(state_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder in the place of a lock stops the recovery pass, which the log says, and not the listing."""
    opened(Settings(state_dir=state_dir))
    (state_dir / "adopt.lock").mkdir()
    state_dir_module._once._last_ns.clear()
    found, behind = up_to_date(Settings(state_dir=state_dir))
    assert (found.latest(limit=1), behind.bytes) == ([], 0)
    assert "adopt.lock cannot be locked" in caplog.text


def test_one_that_may_not_be_entered_is_said_with_its_variable(tmp_path: Path) -> None:
    """Not even whether it is there can be told."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    up_to_date(Settings(state_dir=tmp_path / "none"))  # what it imports may not be a stranger's to read
    with as_a_stranger(), pytest.raises(StateDirError, match=r"STATE_DIR\) cannot be used: .*Permission denied"):
        up_to_date(Settings(state_dir=closed / "state"))


def test_memory_has_nothing_to_read() -> None:
    """It is said which setting that is."""
    settings = Settings(**there(DEAD, state_dir="memory"))
    with pytest.raises(SettingsError, match="memory"):
        opened(settings)


def test_opening_makes_what_is_missing(tmp_path: Path) -> None:
    """For the owner alone, with all folders above it."""
    state = opened(Settings(state_dir=tmp_path / "a" / "b"))
    assert state.ready.is_dir()
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
