"""Runs that end in another process than the one that began them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from otel_job_measure import JobMeasure, Outcome, RunHandle
from otel_job_measure.errors import UsageError
from tests.runtime.support import history, segments
from tests.support.processes import until
from tests.support.uncovered import uncovered

_STARTS = """
import os, signal, sys
from otel_job_measure import JobMeasure

measure = JobMeasure(state_dir=sys.argv[1])
handle = measure.start("nightly", key="k", attempt=2)
print(handle.to_json(), flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


class Starter:
    """A process that starts a run, and is killed when it is told to."""

    def __init__(self, state_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _STARTS, str(state_dir)],
            env=uncovered(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.handle = RunHandle.from_json(self.process.stdout.readline())

    def die(self) -> None:
        """Lets it kill itself."""
        self.process.communicate("die\n", timeout=30)
        assert self.process.returncode == -signal.SIGKILL


def age(state_dir: Path, seconds: float) -> None:
    """Makes the last signs of life older."""
    then = time.time() - seconds
    for path in segments(state_dir):
        os.utime(path, (then, then))


def test_the_holder_ends_the_run_of_a_killed_process(tmp_path: Path) -> None:
    """As a Celery parent does whose child was killed by a time limit: no `lost` is recorded."""
    starter, measure = Starter(tmp_path), JobMeasure(state_dir=tmp_path)
    measure.hold(starter.handle)
    starter.die()
    assert history(tmp_path) == [("nightly", "running", None)]
    assert measure.finish(starter.handle, outcome=Outcome(reason="timeout"))
    assert history(tmp_path) == [("nightly", "failed", "timeout")]
    measure.close()


def test_recovery_leaves_a_held_run_for_a_while_only(tmp_path: Path) -> None:
    """After 30 s without a sign of life it is lost; a later real ending is still the truer one."""
    starter, measure = Starter(tmp_path), JobMeasure(state_dir=tmp_path)
    measure.hold(starter.handle)
    starter.die()
    age(tmp_path, 31)
    until(lambda: history(tmp_path) == [("nightly", "failed", "lost")], "it is lost")
    measure.finish(starter.handle)
    assert history(tmp_path) == [("nightly", "end", None)]
    measure.close()


def test_without_a_holder_it_is_lost_at_once(tmp_path: Path) -> None:
    """Also after the holder has released it."""
    starter, measure = Starter(tmp_path), JobMeasure(state_dir=tmp_path)
    measure.hold(starter.handle)
    measure.release(starter.handle)
    starter.die()
    # The shipper of this process can be looking after the state directory at this moment.
    until(lambda: history(tmp_path) == [("nightly", "failed", "lost")], "it is lost")
    measure.close()


def test_a_released_run_is_not_lost_with_its_process(tmp_path: Path) -> None:
    """The process that began it has handed it over for good."""
    measure = JobMeasure(state_dir=tmp_path)
    handle = measure.start("nightly", key="k")
    measure.release(handle)
    measure.close()
    assert history(tmp_path) == [("nightly", "running", None)]
    assert measure.finish(handle)
    assert history(tmp_path) == [("nightly", "end", None)]
    measure.close()


@pytest.mark.parametrize("by_handle", [True, False])
def test_a_child_of_fork_knows_no_keys(tmp_path: Path, by_handle: bool) -> None:  # noqa: FBT001
    """It can end its parent's run by the handle only; `finish` of the key is left to the parent."""
    measure = JobMeasure(state_dir=tmp_path)
    handle = measure.start("nightly", key="k")
    pid = os.fork()
    if pid == 0:
        done = measure.finish(handle, error=ValueError("x")) if by_handle else measure.finish("k")
        measure.close()
        os._exit(int(done))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == int(by_handle)
    if by_handle:
        measure.release(handle)
    else:
        assert measure.finish("k")
    measure.close()
    assert history(tmp_path) == [("nightly", "failed" if by_handle else "end", "error" if by_handle else None)]


@pytest.mark.parametrize(
    ("name", "value"), [("attempt", "3"), ("start_ns", "1"), ("job", None), ("task_id", 7), ("queued_ns", 1.5)]
)
def test_a_value_of_a_wrong_type_is_refused_at_once(name: str, value: object) -> None:
    """A handle that another program wrote is checked before its run ends: no ending is lost later."""
    values = {"uuid": "abcdefghijkm", "job": "nightly", "start_ns": 1, name: value}
    with pytest.raises(UsageError, match=f"{name} of a RunHandle takes|this is not a RunHandle"):
        RunHandle.from_json(json.dumps(values))
