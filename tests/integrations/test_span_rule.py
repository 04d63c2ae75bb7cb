"""The rule of docs/schedulers.md, with real workers of Celery and OpenTelemetry's own instrumentation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations import celery_app
from tests.integrations.celery_place import CeleryPlace
from tests.support.brokers import Redis
from tests.support.processes import until


@pytest.fixture
def place(redis: Redis, tmp_path: Path) -> Iterator[CeleryPlace]:
    """A worker whose tasks the rule measures."""
    broker = redis.url.replace("/0", "/5")
    found = CeleryPlace("tests.integrations.rule_celery", celery_app.app, broker, tmp_path / "celery")
    yield found
    found.stop()


def test_a_task_without_a_state_has_failed(place: CeleryPlace, tmp_path: Path) -> None:
    """A hard limit, `sys.exit` and a revoke leave no state; the other endings have one."""
    for task in (celery_app.succeed, celery_app.fail, celery_app.reject, celery_app.ignore, celery_app.leave):
        place.send(task)
    place.send(celery_app.retry, 1)
    place.send(celery_app.hard)
    pid = tmp_path / "pid"
    task_id = place.send(celery_app.sleep, str(pid))
    until(lambda: pid.exists() and pid.read_text(), "the task")
    until(lambda: place.start("control", "terminate", "TERM", task_id).wait(60) == 0, "the worker's answer")
    runs = place.ended(9)
    endings = sorted((run.job.removeprefix("tests."), run.reason or run.status, run.error_type) for run in runs)
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
