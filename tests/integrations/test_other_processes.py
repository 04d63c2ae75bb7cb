"""Runs whose process is killed or leaves by `os._exit`: another process of the scheduler ends and sends them."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from otel_job_measure import JobMeasure, Outcome
from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.journal.recovery import recover_slots
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.assembly import identity_of
from otel_job_measure.testing import ManualClock
from tests.delivery.support import TinyServer
from tests.runtime.support import delivered, history, sending

KILLED = Outcome(reason="signal", error_type="SIGKILL")


def in_child(code: Callable[[], object]) -> None:
    """Runs code in a child of fork, and waits for the child."""
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child
        try:
            code()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state directory."""
    return tmp_path / "state"


def test_the_parent_ends_the_run_of_a_killed_child(state: Path) -> None:
    """With what the child knew of it, once, and no recovery pass calls it lost before or afterwards."""
    adapter = Adapter("test", JobMeasure(state_dir=state, project="billing"))

    def task() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    in_child(lambda: adapter.around(task, "nightly", watched="k\n1", attempt=2))
    with JobMeasure(state_dir=state).run("other"):  # a new process would make a recovery pass
        pass
    assert adapter.witnessed("k\n1", KILLED)
    assert not adapter.witnessed("k\n1", KILLED)
    assert not adapter.witnessed("k", KILLED)
    assert history(state) == [("nightly", "failed", "signal"), ("other", "end", None)]


def test_what_ended_or_never_began_is_not_witnessed(state: Path) -> None:
    """A job's own ending is the truer one, in whichever process it was written."""
    adapter = Adapter("test", JobMeasure(state_dir=state))
    in_child(lambda: adapter.around(lambda: None, "nightly", watched="k"))
    assert not adapter.witnessed("k", KILLED)
    assert not adapter.witnessed("another", KILLED)
    assert history(state) == [("nightly", "end", None)]


def test_a_redelivered_task_repeats_its_key(state: Path) -> None:
    """The run that has not ended is meant."""
    adapter = Adapter("test", JobMeasure(state_dir=state))
    in_child(lambda: adapter.around(lambda: None, "nightly", watched="k", attempt=1))
    in_child(lambda: adapter.around(lambda: os._exit(1), "nightly", watched="k", attempt=1))
    assert adapter.witnessed("k", Outcome(reason="exit"))
    assert history(state) == [("nightly", "end", None), ("nightly", "failed", "exit")]


def test_what_a_short_lived_process_leaves_is_sent_by_the_one_that_lives(state: Path) -> None:
    """The child sends nothing and waits for nothing; the parent sends at once."""
    server = TinyServer()
    arrived = threading.Semaphore(0)
    server.during = arrived.release
    measure = sending(server, state_dir=state)
    adapter = Adapter("test", measure)
    for number in range(3):

        def horse(number: int = number) -> None:
            adapter.short_lived()
            adapter.around(lambda: None, f"job-{number}")
            adapter.leaving()

        in_child(horse)
        assert delivered(server) == []
    adapter.collect()
    while len(delivered(server)) < 3:
        arrived.acquire()
    assert sorted(delivered(server)) == ["job-0", "job-1", "job-2"]
    measure.close()
    server.close()


def test_a_recovery_pass_gives_the_other_process_time(state: Path) -> None:
    """A watched run of a killed process is not lost for half a minute; then no process knows."""
    adapter = Adapter("test", JobMeasure(state_dir=state))
    in_child(lambda: adapter.around(lambda: os._exit(1), "nightly", watched="k"))
    store, clock = StateDir(state), ManualClock(wall=time.time_ns())
    boot_id = identity_of(adapter.measure.settings).boot_id
    assert recover_slots(store, clock=clock, boot_id=boot_id) == 0
    clock.advance(31)
    assert recover_slots(store, clock=clock, boot_id=boot_id) == 1
    assert history(state) == [("nightly", "failed", "lost")]
    assert not adapter.witnessed("k", KILLED)
