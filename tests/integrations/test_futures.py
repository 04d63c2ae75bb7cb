"""`concurrent.futures` by hand: the conformance suite, and what is particular to executors."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Final

import pytest

from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.integrations.futures import measured
from otel_job_measure.testing import tasks
from otel_job_measure.testing.conformance import BEHAVIOURS, Behaviour, Place, Recorded, check
from tests.support.processes import ROOT

_NEVER: Final = dict.fromkeys(
    [
        *("retries, succeeds", "retries, fails", "soft time limit", "hard time limit", "aborted", "revoked during"),
        *("rejected", "ignored", "expired", "misfire", "max instances", "coalesced", "chain", "group", "chord"),
    ],
    "an executor has no such thing",
) | {
    **dict.fromkeys(("async", "async raises"), "its calls are no coroutines"),
    **dict.fromkeys(("foreign span", "foreign, unsampled"), "OpenTelemetry opens no span for the calls of executors"),
    "warm shutdown": "the app handles signals",
    "cold shutdown": "it waits for calls or abandons them; it stops none",
}
_DEATHS: Final = dict.fromkeys(("SIGKILL", "os._exit"), "the call runs in the app's process: its run becomes `lost`")


class Driver:
    """An executor of one kind."""

    job = "conformance"
    cannot: Mapping[str, str]

    def __init__(self, kind: str, **cannot: str) -> None:
        self.name = f"concurrent.futures {kind}"
        self.kind = kind
        self.cannot = {**_NEVER, **cannot}

    def perform(self, behaviour: Behaviour, place: Place) -> object:
        """Runs the app."""
        command = [sys.executable, "-m", "tests.integrations.futures_app", self.kind, behaviour.name, place.job]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), **place.variables()}
        done = subprocess.run(
            command, cwd=place.state_dir.parent, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None


DRIVERS: Final = (Driver("threads", **_DEATHS), Driver("processes"))


@pytest.mark.parametrize(
    ("driver", "behaviour"),
    [
        pytest.param(driver, behaviour, id=f"{driver.kind}-{behaviour.name}")
        for driver in DRIVERS
        for behaviour in BEHAVIOURS
        if behaviour.name not in driver.cannot
    ],
)
def test_it_conforms(driver: Driver, behaviour: Behaviour, tmp_path: Path) -> None:
    """Each behaviour is recorded rightly, by threads and by processes."""
    assert check(driver, behaviour, tmp_path) == []


# What the suite does not ask


def double(number: int) -> int:
    """Returns a result."""
    return 2 * number


def fails(number: int) -> None:
    """Raises."""
    raise ValueError(number)


def dies(_number: int) -> None:
    """Is killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def dies_after(flag: Path) -> None:
    """Is killed as soon as a file is there."""
    tasks.waits_for(str(flag))
    dies(0)


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


def skipped(place: Place) -> list[tuple[str, str]]:
    """Returns job and reason of each skipped call."""
    return [(record.job, record.detail) for record in Recorded.in_(place.state_dir).skipped]


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


def test_a_killed_process(place: Place, tmp_path: Path) -> None:
    """Its run is not lost: the pool knows. A call that had not begun has no run, and is skipped."""
    measure = place.measure()
    with measured(spawning(), "import", measure) as pool:
        calls: list[Future[Any]] = [pool.submit(dies_after, tmp_path / "go"), pool.submit(double, 1)]
        (tmp_path / "go").touch()
        for call in calls:
            with pytest.raises(BrokenProcessPool):
                call.result()
    measure.close()
    assert endings(place) == [("import", "signal")]
    assert skipped(place) == [("import", "not run: the process pool broke")]


def test_a_killed_process_with_thousands_of_calls(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that had begun ends once, each of the others is skipped once, and the state directory is read once."""
    flag = tmp_path / "go"
    looks: list[Adapter] = []
    noted = Adapter.noted

    def looked(adapter: Adapter) -> object:
        looks.append(adapter)
        return noted(adapter)

    monkeypatch.setattr(Adapter, "noted", looked)
    measure = place.measure()
    with measured(spawning(), "import", measure) as pool:
        calls: list[Future[Any]] = [pool.submit(dies_after, flag), *(pool.submit(double, each) for each in range(3000))]
        flag.touch()
        assert {type(call.exception()) for call in calls} == {BrokenProcessPool}
    measure.close()
    assert endings(place) == [("import", "signal")]
    assert skipped(place) == [("import", "not run: the process pool broke")] * 3000
    assert len(looks) == 1


def test_a_cancelled_call_is_no_run(place: Place) -> None:
    """It never began: it is skipped, whether it was cancelled alone or with all others at the pool's end."""
    measure = place.measure()
    began, go_on = threading.Event(), threading.Event()

    def waits() -> bool:
        began.set()
        return go_on.wait()

    with measured(ThreadPoolExecutor(1), "wait", measure) as pool:
        first, second, _ = (pool.submit(waits) for _ in range(3))
        began.wait()
        assert second.cancel()
        pool.shutdown(wait=False, cancel_futures=True)
        go_on.set()
        assert first.result()
    measure.close()
    assert endings(place) == [("wait", "end")]
    assert skipped(place) == [("wait", "revoked: cancelled")] * 2
