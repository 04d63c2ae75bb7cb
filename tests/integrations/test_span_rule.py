"""The rule of docs/schedulers.md, with real workers of Celery and OpenTelemetry's own instrumentation."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings
from tests.integrations import celery_app
from tests.support.brokers import Redis
from tests.support.processes import ROOT, until
from tests.support.uncovered import uncovered

_COMMAND = [sys.executable, "-m", "celery", "-A", "tests.integrations.rule_celery"]


class Place:
    """A broker with a worker whose tasks the rule measures."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        self._broker = redis.url.replace("/0", "/5")
        self._folder = folder
        self._environment = uncovered() | {
            "BROKER": self._broker,
            "RESULTS": redis.url.replace("/0", "/6"),
            "OTEL_JOB_MEASURE_STATE_DIR": str(folder),
        }
        with celery_app.app.connection_for_write(self._broker) as connection:
            celery_app.app.control.purge(connection=connection)
        self.worker = self.start("worker", "-c", "2", "--without-gossip", "--without-mingle")

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([*_COMMAND, *words], cwd=ROOT, env=self._environment)

    def send(self, task: Any, *args: object) -> str:  # noqa: ANN401 - Celery has no types
        with celery_app.app.connection_for_write(self._broker) as connection:
            return str(task.apply_async(args, connection=connection).id)

    def ended(self, count: int) -> list[tuple[Any, ...]]:
        """Waits for so many endings and returns what is told of them, sorted."""

        def all_ended() -> list[RunRecord]:
            history, _ = up_to_date(Settings(state_dir=self._folder))
            runs = history.latest(limit=100)
            return runs if len(runs) >= count and all(run.ended_ns for run in runs) else []

        runs = until(all_ended, f"{count} endings")
        return sorted((run.job.removeprefix("tests."), run.reason or run.status, run.error_type) for run in runs)


@pytest.fixture
def place(redis: Redis, tmp_path: Path) -> Iterator[Place]:
    """A worker of its own."""
    found = Place(redis, tmp_path / "celery")
    yield found
    found.worker.terminate()
    found.worker.wait(60)


def test_a_task_without_a_state_has_failed(place: Place, tmp_path: Path) -> None:
    """A hard limit, `sys.exit` and a revoke leave no state; the other endings have one."""
    for task in (celery_app.succeed, celery_app.fail, celery_app.reject, celery_app.ignore, celery_app.leave):
        place.send(task)
    place.send(celery_app.retry, 1)
    place.send(celery_app.hard)
    pid = tmp_path / "pid"
    task_id = place.send(celery_app.sleep, str(pid))
    until(lambda: pid.exists() and pid.read_text(), "the task")
    until(lambda: place.start("control", "terminate", "TERM", task_id).wait(60) == 0, "the worker's answer")
    endings = place.ended(9)
    # Celery kills the child 0.1 s after SIGTERM.
    assert endings.pop(1) in {("hard", "error", "no state"), ("hard", "lost", None)}
    assert endings == [
        ("fail", "error", "ValueError"),
        ("ignore", "skipped", None),
        ("leave", "error", "no state"),
        ("reject", "rejected", None),
        ("retry", "end", None),
        ("retry", "retry", None),
        ("sleep", "error", "no state"),
        ("succeed", "end", None),
    ]
