"""Schedulers among faults: odd names, hooks of other libraries that fail, a broker that goes away."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as Client
from rq import Callback, Queue

from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings
from tests.integrations import fault_celery, fault_jobs
from tests.integrations.celery_place import CeleryPlace
from tests.support.brokers import Redis
from tests.support.processes import ROOT, until
from tests.support.uncovered import uncovered

_client: Any = Client  # it is partly untyped


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Redis]:
    """A Redis that can go away."""
    folder = tmp_path / "redis"
    folder.mkdir()
    found = Redis(folder)
    found.start()
    yield found
    found.stop(hard=True)


@pytest.fixture
def celery(broker: Redis, tmp_path: Path) -> Iterator[CeleryPlace]:
    """A worker of Celery on it."""
    place = CeleryPlace("tests.integrations.fault_celery", fault_celery.app, broker.url, tmp_path / "runs")
    yield place
    place.stop()


@pytest.fixture
def rq(broker: Redis, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker of RQ on it."""
    command = [str(Path(sys.executable).parent / name) for name in ("opentelemetry-instrument", "rq")]
    environment = uncovered() | {"OTEL_JOB_MEASURE_STATE_DIR": str(tmp_path / "runs"), "PYTHONPATH": str(ROOT)}
    worker = subprocess.Popen([*command, "worker", "--url", broker.url], env=environment)
    yield worker
    worker.terminate()
    worker.wait(60)


def ended(folder: Path, count: int) -> list[tuple[str, str]]:
    """Waits for so many endings; returns the job and the reason, or the status, of each, the oldest first."""

    def all_ended() -> list[RunRecord]:
        runs = up_to_date(Settings(state_dir=folder))[0].latest(limit=100)[::-1]
        return runs if len(runs) >= count and all(run.ended_ns for run in runs) else []

    runs = until(all_ended, f"{count} endings")
    return [(run.job.rpartition(".")[2], run.reason or run.status) for run in runs]


def test_odd_names_and_failing_hooks_in_celery(celery: CeleryPlace) -> None:
    """Receivers of other libraries that fail, before and after ours, cost no task and no run; any name is one."""
    for task in fault_celery.odd:
        celery.send(task)
    runs = celery.ended(len(fault_celery.odd))
    assert {run.status for run in runs} == {"end"}
    assert sorted(run.job for run in runs) == sorted(["n" * 1024, "caf\u00e9 \U0001f389", "two\\nlines", " "])


def test_celerys_broker_goes_away(celery: CeleryPlace, broker: Redis, tmp_path: Path) -> None:
    """A task that runs meanwhile is an `end`, once; and the worker goes on when the broker is there again."""
    ready, go = tmp_path / "ready", tmp_path / "go"
    celery.send(fault_celery.wait, str(ready), str(go))
    until(ready.exists, "the task")
    broker.stop(hard=True)
    go.touch()
    assert [(run.job, run.status) for run in celery.ended(1)] == [("wait", "end")]
    broker.start()
    celery.send(fault_celery.odd[1])
    assert [run.status for run in celery.ended(2)] == ["end", "end"]


def test_odd_jobs_and_failing_hooks_in_rq(rq: object, broker: Redis, tmp_path: Path) -> None:
    """A callback of the app that fails changes no run; a function that there is not is a failure."""
    queue: Any = Queue(connection=_client.from_url(broker.url))
    queue.enqueue(fault_jobs.nothing, on_success=Callback(fault_jobs.raises))
    queue.enqueue(fault_jobs.raises, on_failure=Callback(fault_jobs.raises))
    queue.enqueue("tests.integrations.fault_jobs.no_such_function")
    assert ended(tmp_path / "runs", 3) == [("nothing", "end"), ("raises", "error"), ("no_such_function", "error")]


def test_rqs_broker_goes_away(rq: object, broker: Redis, tmp_path: Path) -> None:
    """A job that runs meanwhile is an `end`, though RQ's worker gives up then; an idle worker waits for the broker."""
    ready, go = tmp_path / "ready", tmp_path / "go"
    queue: Any = Queue(connection=_client.from_url(broker.url))
    queue.enqueue(fault_jobs.nothing)
    assert ended(tmp_path / "runs", 1) == [("nothing", "end")]
    broker.stop(hard=True)
    broker.start()
    queue.enqueue(fault_jobs.wait, str(ready), str(go))
    until(ready.exists, "the job")
    broker.stop(hard=True)
    go.touch()
    assert ended(tmp_path / "runs", 2) == [("nothing", "end"), ("wait", "end")]
