"""What tasks of Celery seldom do, on a real worker with children that live for two tasks."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_job_measure.integrations import celery as adapter
from otel_job_measure.testing import recorded_runs
from tests.integrations import celery_app, seldom_celery
from tests.integrations.celery_place import CeleryPlace
from tests.support.brokers import Redis


@pytest.fixture
def place(redis: Redis, tmp_path: Path) -> Iterator[CeleryPlace]:
    """The worker."""
    broker = redis.url.replace("/0", "/13")
    found = CeleryPlace(
        "tests.integrations.seldom_celery", celery_app.app, broker, tmp_path / "celery", "--max-tasks-per-child=2"
    )
    yield found
    found.stop()


def test_what_tasks_seldom_do(place: CeleryPlace) -> None:
    """Every attempt is recorded, also of children that live for two tasks, with what is true of it."""
    tasks = seldom_celery
    for task in (tasks.asks_again, tasks.by_itself, tasks.replaces, tasks.applies, tasks.of_a_class, tasks.shared):
        place.send(task)
    for task in (tasks.decorated, tasks.vanishes, tasks.nameless_signal, tasks.redelivered, tasks.exits_well):
        place.send(task)
    runs = place.ended(16)
    found = Counter((run.job, run.reason or run.status, run.error_type) for run in runs)
    assert found == Counter(
        [
            ("asks again", "retry", "ValueError"),
            ("asks again", "end", None),
            ("by itself", "retry", "ValueError"),
            ("by itself", "error", "ValueError"),
            ("replaces", "skipped", "celery.exceptions.Ignore"),
            ("tests.succeed", "end", None),  # in its place
            ("applies", "end", None),
            ("tests.fail", "error", "ValueError"),  # in it
            ("of a class", "end", None),
            ("shared", "end", None),
            ("nightly", "end", None),
            ("vanishes", "exit", "exit 0"),
            ("nameless signal", "signal", "SIGRTMIN+1"),
            ("redelivered", "retry", "SIGKILL"),
            ("redelivered", "end", None),
            ("exits well", "end", None),
        ]
    )


def test_tasks_that_run_where_they_are_sent() -> None:
    """With `task_always_eager` an attempt that asks for another one without raising gets none."""
    adapter.install()
    celery_app.app.conf.task_always_eager = True
    try:
        with recorded_runs() as runs:
            seldom_celery.asks_again.delay()
            seldom_celery.by_itself.delay()
    finally:
        celery_app.app.conf.task_always_eager = False
        adapter.uninstall()
    assert [(run.job, run.reason or run.status, run.attempt) for run in runs] == [
        ("asks again", "end", 1),
        ("by itself", "retry", 1),
        ("by itself", "error", 2),
    ]
