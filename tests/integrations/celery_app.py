"""An app of Celery for real workers."""

import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_job_measure.integrations import celery as adapter
from tests.integrations.celery_accepted import Request, tell_begun, until_accepted

app: Any = import_module("celery").Celery("tests")
exceptions: Any = import_module("celery.exceptions")
app.conf.update(
    broker_url=os.environ.get("BROKER", "memory://"),
    result_backend=os.environ.get("RESULTS", "cache+memory://"),
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
    beat_schedule={"each second": {"task": "tests.succeed", "schedule": 1.0}} if "BEAT" in os.environ else {},
)


def instrument() -> None:
    """Has OpenTelemetry's own instrumentation open a span for each task."""
    trace.set_tracer_provider(TracerProvider())
    instrumentor: Any = import_module("opentelemetry.instrumentation.celery").CeleryInstrumentor
    instrumentor().instrument()


if os.environ.get("FOREIGN") == "theirs first":
    instrument()
if "OTEL_JOB_MEASURE_STATE_DIR" in os.environ:
    adapter.install()
if os.environ.get("FOREIGN") == "ours first":
    instrument()


def task(**options: object) -> Callable[[Any], Any]:
    """Makes a task of a function."""
    made: Callable[[Any], Any] = app.task(**options)
    return made


@task(name="tests.succeed")
def succeed(value: int = 7) -> int:
    """Returns its argument."""
    return value


@task(name="tests.fail")
def fail() -> None:
    """Raises."""
    raise ValueError("no such table")


@task(name="tests.retry", bind=True, max_retries=2)
def retry(self: Any, succeeds_at: int) -> str:  # noqa: ANN401 - the task
    """Retries until an attempt."""
    if self.request.retries < succeeds_at:
        raise self.retry(exc=ValueError("not yet"), countdown=0)
    return "done"


@task(name="tests.sleep")
def sleep(ready: str) -> None:
    """Says that it runs, and then waits for its end."""
    Path(ready).write_text(str(os.getpid()), encoding="ascii")
    time.sleep(600)


@task(name="tests.hard", time_limit=1, bind=True, Request=Request)
def hard(self: Any) -> None:  # noqa: ANN401 - the task
    """Runs into its hard limit."""
    tell_begun(self)
    time.sleep(600)


@task(name="tests.leave", bind=True, Request=Request)
def leave(self: Any) -> None:  # noqa: ANN401 - the task
    """Exits as scripts do."""
    until_accepted(self)
    sys.exit(3)


@task(name="tests.reject", acks_late=True)
def reject() -> None:
    """Rejects its message."""
    raise exceptions.Reject("no", requeue=False)


@task(name="tests.ignore")
def ignore() -> None:
    """Says that its result does not count."""
    raise exceptions.Ignore


@task(name="tests.outer")
def outer() -> int:
    """Calls another task as a function."""
    return int(succeed(3))
