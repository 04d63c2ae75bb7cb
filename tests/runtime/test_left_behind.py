"""What `otel-job-measure ship` sends: files are read and deleted by a thread, while others are on their way."""

import logging
import threading
from pathlib import Path

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.segments import encode_header
from otel_job_measure.journal.statedir import StateDir
from otel_job_measure.runtime.left_behind import LeftBehind
from tests.journal.test_limits import HEADER

_LINE = b'scheduling-job,job=a uuid="u",status="start" 1\n'
_LARGE = 5000
_MANY = 2100


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    """A state directory with more small segments than are read at once, and a large one."""
    state = StateDir(tmp_path / "state")
    state.make()
    for number in range(_MANY):
        content = _LINE * (_LARGE // len(_LINE) if number == 0 else 1)
        (state.ready / f"{HEADER.destination}-{number:04}.lp").write_bytes(encode_header(HEADER) + content)
    return state


@pytest.fixture
def source(state: StateDir) -> LeftBehind:
    """What is left there for one destination."""
    return LeftBehind(state, HEADER.destination, [], clock=SystemClock(), boot_id=HEADER.boot_id)


def taken(source: LeftBehind, *, windows: int) -> list[str]:
    """Drops what some windows hold, as if every sink had it, and returns its names."""
    names: list[str] = []
    with source.left() as left:
        for window in left or ():
            for segment in window:
                assert segment.read(0, _LARGE).endswith(_LINE)
                names.append(segment.name)
                source.drop(segment)
                assert segment.size() == 0
            windows -= 1
            if not windows:
                break
    return names


def test_each_is_given_once_and_is_gone_in_the_end(source: LeftBehind, state: StateDir) -> None:
    """Whatever is read ahead, and whenever it is deleted; nothing is left of the thread either."""
    there = sorted(path.name for path in state.ready.iterdir())
    assert sorted(taken(source, windows=9)) == there
    assert list(state.ready.iterdir()) == []
    assert [thread for thread in threading.enumerate() if "files" in thread.name] == []


def test_what_was_read_ahead_and_not_asked_for_is_kept(source: LeftBehind, state: StateDir) -> None:
    """Where the server fails after some, those are gone by the time that others may look, and all others are there."""
    there = {path.name for path in state.ready.iterdir()}
    gone = taken(source, windows=1)
    assert 0 < len(gone) < _MANY
    with state.adopting() as held:
        assert held
    kept = {path.name for path in state.ready.iterdir()}
    assert kept == there - set(gone)
    assert set(taken(source, windows=9)) == kept


def test_what_cannot_be_deleted_is_said_and_not_given_again(
    source: LeftBehind, state: StateDir, caplog: pytest.LogCaptureFixture
) -> None:
    """It is delivered: to send it again each second would help nobody. The others are deleted all the same."""
    stuck = state.ready / f"{HEADER.destination}-1234.lp"
    with source.left() as left:
        for window in left or ():
            if any(segment.name == stuck.name for segment in window):
                stuck.unlink()
                stuck.mkdir()
            for segment in window:
                source.drop(segment)
    assert [path.name for path in state.ready.iterdir()] == [stuck.name]
    said = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 1
    assert str(stuck) in said[0].getMessage()
    stuck.rmdir()
    stuck.write_bytes(encode_header(HEADER) + _LINE)
    assert taken(source, windows=9) == []


def test_with_nothing_there_no_thread_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that looks each second begins none each second."""
    state = StateDir(tmp_path / "state")
    state.make()
    source = LeftBehind(state, HEADER.destination, [], clock=SystemClock(), boot_id=HEADER.boot_id)
    begun: list[str] = []

    def start(thread: threading.Thread) -> None:
        begun.append(thread.name)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert taken(source, windows=9) == []
    assert begun == []
