"""An app of Celery for real workers: one task behaves as the conformance suite says."""

import os
from importlib import import_module
from typing import Any, Final

from opentelemetry import trace

from otel_job_measure.integrations import celery as adapter
from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.runtime.default import ready_measure
from otel_job_measure.testing import tasks
from otel_job_measure.testing.conformance import BEHAVIOURS
from tests.integrations.celery_accepted import Request, tell_begun, until_accepted
from tests.integrations.traced import trace_as

TASK: Final = "conformance"
DECORATED_TASK: Final = "app.decorated"
BY_NAME: Final = {each.name: each for each in BEHAVIOURS}
FOREIGN: Final = "opentelemetry.instrumentation.celery"
exceptions: Any = import_module("celery.exceptions")  # Celery has no types
RAISED: Final = {"rejected": exceptions.Reject("no", requeue=False), "ignored": exceptions.Ignore()}


def app_of(broker: str, results: str, **conf: object) -> Any:  # noqa: ANN401 - Celery's
    """Returns an app with the tasks, for a worker or for a producer."""
    app = import_module("celery").Celery("tests", set_as_current=False)
    app.conf.update(
        broker_url=broker,
        result_backend=results,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        worker_prefetch_multiplier=1,
        task_track_started=True,
        **conf,
    )
    app.task(name=TASK, bind=True, max_retries=1, shared=False, Request=Request)(conformance)
    app.task(name=DECORATED_TASK, shared=False)(ready_measure().job(tasks.DECORATED)(tasks.succeeds))
    return app


def conformance(self: Any, name: str, *words: str) -> object:  # noqa: ANN401 - the task
    """Behaves."""
    tell_begun(self)
    match name:
        case "calls itself":
            return tasks.calls_itself(TASK)
        case "two adapters":
            return Adapter("another").around(tasks.succeeds, TASK)
        case "retries, succeeds" | "retries, fails":
            if name == "retries, fails" or not self.request.retries:
                raise self.retry(exc=tasks.TaskError("not yet"), countdown=0)
        case "rejected" | "ignored":
            raise RAISED[name]
        case "os._exit" | "SIGKILL" | "sys.exit":
            until_accepted(self)
        case "warm shutdown":
            return tasks.waits_for(words[0])
        case "foreign span" | "foreign, unsampled":
            span: Any = trace.get_current_span()
            if span.is_recording():
                assert span.instrumentation_scope.name == FOREIGN
        case _:
            pass
    return BY_NAME[name].task()


if "CONFORMANCE" in os.environ:  # in a worker or beat
    tracing, order = os.environ["CONFORMANCE"].split("/")
    trace_as(tracing)
    instrumentor: Any = import_module(FOREIGN).CeleryInstrumentor
    if order == "theirs first":
        instrumentor().instrument()
    adapter.install()
    adapter.install()
    if order == "ours first":
        instrumentor().instrument()
    beat = {"each second": {"task": TASK, "schedule": 1.0, "args": ("succeeds",)}}
    app = app_of(os.environ["BROKER"], os.environ["RESULTS"], beat_schedule=beat)
