"""`concurrent.futures` by hand."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure.integrations.futures import measured
from otel_job_measure.testing.conformance import Place, Recorded


def double(number: int) -> int:
    """Returns a result."""
    return 2 * number


def fails(number: int) -> None:
    """Raises."""
    raise ValueError(number)


def dies(_number: int) -> None:
    """Is killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def spawning() -> ProcessPoolExecutor:
    """Returns a pool whose processes share nothing with this one."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A state directory."""
    return Place(state_dir=tmp_path / "state", job="any")


def endings(place: Place) -> list[tuple[str, str]]:
    """Returns job and ending of each run."""
    runs = Recorded.in_(place.state_dir).runs
    assert all(run.queued_s is not None for run in runs)
    return sorted((run.job, run.reason or run.status) for run in runs)


@pytest.mark.parametrize("make", [lambda: ThreadPoolExecutor(2), spawning], ids=["threads", "processes"])
def test_each_call_is_a_run(place: Place, make: Callable[[], Executor]) -> None:
    """Its result and its exception are the call's own; `map` submits too."""
    measure = place.measure()
    with measured(make(), measure=measure) as pool:
        assert pool.submit(double, 21).result() == 42
        assert list(pool.map(double, [1, 2])) == [2, 4]
        with pytest.raises(ValueError, match="7"):
            pool.submit(fails, 7).result()
    measure.close()
    assert endings(place) == [*[("double", "end")] * 3, ("fails", "error")]


def test_a_killed_process(place: Place) -> None:
    """Its run is not lost: the pool knows. A call that had not begun has no run."""
    measure = place.measure()
    with measured(spawning(), "import", measure) as pool:
        calls: list[Future[Any]] = [pool.submit(dies, 0), pool.submit(double, 1)]
        for call in calls:
            with pytest.raises(BrokenProcessPool):
                call.result()
    measure.close()
    assert endings(place) == [("import", "signal")]


def test_a_cancelled_call_is_no_run(place: Place) -> None:
    """It never began."""
    measure = place.measure()
    go_on = threading.Event()
    with measured(ThreadPoolExecutor(1), "wait", measure) as pool:
        first, second = pool.submit(go_on.wait), pool.submit(go_on.wait)
        assert second.cancel()
        go_on.set()
        assert first.result()
    measure.close()
    assert endings(place) == [("wait", "end")]
