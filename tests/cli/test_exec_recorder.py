"""What `exec` opens: a journal at once, and delivery when it is asked for."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import pytest

from otel_job_measure import Settings
from otel_job_measure.cli.exec.run import CommandRecorder
from otel_job_measure.history.history import History
from otel_job_measure.points.outcome import ENDED
from otel_job_measure.settings import Arguments
from otel_job_measure.spans.run import Run
from tests.delivery.support import TinyServer
from tests.runtime.support import DEAD, ROOT, delivered, history, segments, there


@pytest.fixture
def server() -> Iterator[TinyServer]:
    """A server that takes everything."""
    tiny = TinyServer()
    yield tiny
    tiny.close()


def measured(opened: CommandRecorder, *, delivers: bool) -> bool:
    """Measures a run as `exec` does, and closes."""
    measure_in(opened, delivers=delivers)
    return opened.close(10)


def measure_in(opened: CommandRecorder, *, delivers: bool = False) -> None:
    """Measures a run as `exec` does."""
    run = Run("nightly")
    opened.recorder.prepare(run)
    opened.recorder.start(run)
    if delivers:
        opened.deliver()
    opened.recorder.set_outcome(run, ENDED)
    opened.recorder.end(run)


def test_it_delivers_when_it_is_asked_to(server: TinyServer, state_dir: Path) -> None:
    """Start and end are there, and no segment is left but for the history."""
    assert measured(CommandRecorder(Settings(**there(server.url, state_dir=state_dir))), delivers=True)
    assert delivered(server) == ["nightly"]
    assert segments(state_dir) == []
    assert history(state_dir) == [("nightly", "end", None)]


def test_it_delivers_nothing_before(server: TinyServer, state_dir: Path) -> None:
    """One that is closed without has its segment sent by the next process, and says that not all is sent."""
    assert not measured(CommandRecorder(Settings(**there(server.url, state_dir=state_dir))), delivers=False)
    assert server.requests == []
    assert [path.parent.name for path in segments(state_dir)] == ["ready"]


@pytest.mark.parametrize("more", [{}, {"ship": False}])
def test_without_anywhere_to_deliver_it_leaves_everything_to_others(more: Arguments, state_dir: Path) -> None:
    """All points are on disk, where `runs` and `ship` find them."""
    arguments: Arguments = {"state_dir": state_dir, **more}
    assert measured(CommandRecorder(Settings(**arguments)), delivers=True)
    assert [path.parent.name for path in segments(state_dir)] == ["ready"]
    assert history(state_dir) == [("nightly", "end", None)]


def leave(folder: Path, count: int, /, **more: Unpack[Arguments]) -> None:
    """Leaves the segments of processes that only append, each with one run."""
    arguments: Arguments = {**more, "state_dir": folder}
    for _ in range(count):
        measured(CommandRecorder(Settings(**arguments)), delivers=False)


def forget_the_last_look(state_dir: Path) -> None:
    """Lets a minute pass since the last maintenance of the state directory."""
    os.utime(state_dir / "adopt.lock", ns=(0, 0))


def folded(state_dir: Path) -> int:
    """Returns how many runs are in the history, as it is."""
    return len(History(state_dir / "history.db", retention_s=86_400).latest(limit=1000))


def test_without_anybody_else_what_is_left_goes_into_the_history(state_dir: Path) -> None:
    """By one process in a while, when there is enough of it; its own run too."""
    leave(state_dir, 70)
    assert len(segments(state_dir)) == 70  # the first one has looked, when there was nothing
    forget_the_last_look(state_dir)
    leave(state_dir, 1)
    assert segments(state_dir) == []
    assert folded(state_dir) == 71
    forget_the_last_look(state_dir)
    leave(state_dir, 1)
    assert len(segments(state_dir)) == 1  # not worth it yet
    assert history(state_dir) == [("nightly", "end", None)] * 72


@pytest.mark.parametrize("more", [{"ship": False}, {"history": False, **there(DEAD), "ship": False}])
def test_what_somebody_ships_is_not_folded_by_those_who_only_append(more: Arguments, state_dir: Path) -> None:
    """The process that ships does that."""
    leave(state_dir, 70, **more)
    forget_the_last_look(state_dir)
    leave(state_dir, 1, **more)
    assert len(segments(state_dir)) == 71


def test_the_bound_holds_where_nobody_ships(state_dir: Path) -> None:
    """The oldest go, with an error in the log."""
    leave(state_dir, 1, ship=False)
    [first] = segments(state_dir)
    with first.open("ab") as file:
        file.write(b"# " + b"x" * 2**20 + b"\n")
    forget_the_last_look(state_dir)
    leave(state_dir, 1, ship=False, max_bytes=2**20)
    assert not first.exists()
    assert len(segments(state_dir)) == 1


@pytest.mark.parametrize("how", ["at its end", "while it runs"])
def test_a_run_that_was_killed_is_ended_by_the_next_process(how: str, state_dir: Path) -> None:
    """Even without a command for months; and not by each of the processes that run all the time."""
    killed = "from tests.cli.test_exec_recorder import die_in_a_run as die; die()"
    for just_looked, lost in ((False, 1), (True, 1), (False, 3)):
        subprocess.run([sys.executable, "-c", killed], cwd=ROOT, check=False)
        if not just_looked and lost > 1:
            forget_the_last_look(state_dir)
        opened = CommandRecorder(Settings(state_dir=state_dir))
        measure_in(opened)
        if how == "while it runs":
            opened.keep_up()
        else:
            opened.close(10)
        left = b"".join(path.read_bytes() for path in segments(state_dir))
        assert left.count(b"reason=lost") == lost
        opened.close(10)


def die_in_a_run() -> None:
    """Begins a run and kills its process."""
    opened = CommandRecorder(Settings.from_env())
    run = Run("killed")
    opened.recorder.prepare(run)
    opened.recorder.start(run)
    os.kill(os.getpid(), signal.SIGKILL)
