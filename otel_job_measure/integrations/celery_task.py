"""The process that runs the tasks of Celery: a child of a prefork pool, or the worker itself."""

import signal
import sys
from collections.abc import Callable
from importlib import import_module
from itertools import count
from typing import Any, Final, cast

from opentelemetry import propagate
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from otel_job_measure import names
from otel_job_measure.integrations.celery_main import MainProcess, key_of, ns_of, said_of
from otel_job_measure.integrations.contract import Adapter, TaskOptions
from otel_job_measure.integrations.surroundings import is_instrumented
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.spans.outcome import outcome_of

_FOREIGN: Final = "opentelemetry.instrumentation.celery"
_TERMINATED: Final = -(256 - signal.SIGTERM)
"""What billiard's handler of SIGTERM gives to `sys.exit` in a child."""


class TaskProcess:
    """What Celery calls there."""

    def __init__(self, app: object, adapter: Adapter, main: MainProcess) -> None:
        self._app = app
        self._adapter = adapter
        self._main = main
        self._numbers = count()

    def started(self, task_id: str = "", task: Any = None, **_: object) -> None:
        """Starts the run of an attempt."""
        if not self._is_measured(task):
            return
        with self._adapter.guard:
            key = ("celery", task_id, next(self._numbers))  # a redelivery repeats the id and the number of retries
            foreign = _foreign_span(task, task_id)
            options = self._options(task)
            if foreign is not None:
                options["foreign"] = foreign
            task.request.otel_job_measure_key = key
            self._adapter.start(key, task.name, **options)

    def retries(self, original: Callable[..., Any], task: Any, *args: Any, **more: Any) -> Any:
        """Notes that a task asks for another attempt and goes on."""
        asked = original(task, *args, **more)  # raises, unless `throw=False`
        with self._adapter.guard:
            if not asked.is_eager:  # else there is no other attempt
                task.request.otel_job_measure_retry = asked
        return asked

    def ended(self, task_id: str = "", task: Any = None, retval: Any = None, state: Any = None, **_: object) -> None:
        """Ends the run, unless the main process knows more."""
        with self._adapter.guard:
            key = getattr(task.request, "otel_job_measure_key", None)
            if key is None:
                return
            foreign = _foreign_span(task, task_id)
            if foreign is not None:
                self._adapter.adopt(key, foreign)
            if state is None:
                error = sys.exc_info()[1]
                if not self._main.is_here and isinstance(error, SystemExit) and error.code == _TERMINATED:
                    return  # the main process knows why
                self._adapter.finish(key, error=error, outcome=_outcome_of_kill(task_id, error))
            elif state == "FAILURE":
                self._adapter.finish(key, error=retval if isinstance(retval, BaseException) else sys.exc_info()[1])
            elif state == "SUCCESS" and (asked := getattr(task.request, "otel_job_measure_retry", None)) is not None:
                self._adapter.finish(key, outcome=_outcome_of_state("RETRY", asked))
            else:
                self._adapter.finish(key, outcome=_outcome_of_state(str(state), retval))

    def _options(self, task: Any) -> TaskOptions:
        request = task.request
        said = said_of(request)
        retries = request.retries or 0
        due = ns_of(request.eta) if request.eta else said.get("due") if not retries else None
        first = names.TRIGGER_MESSAGE if due is None else names.TRIGGER_SCHEDULE
        delivery = cast("dict[str, object]", request.delivery_info or {})
        options: TaskOptions = {
            "kind": SpanKind.CONSUMER,
            "task_id": request.id,
            "attempt": retries + 1,
            "trigger": names.TRIGGER_RETRY if retries else first,
            "function": task.run,
            "attributes": {
                "messaging.system": "celery",
                "messaging.message.id": str(request.id),
                "messaging.destination.name": str(delivery.get("routing_key") or ""),
                "celery.task_name": task.name,
            },
        }
        if "queued" in said:
            options["queued_ns"] = said["queued"]
        if due is not None:
            options["scheduled_ns"] = due
        if getattr(request, "traceparent", None):
            options["context"] = propagate.extract(request, getter=_Headers())
        if not self._main.is_here:
            options["watched"] = key_of(request.id)
        return options

    def leaves(self, **_: object) -> None:
        """Leaves the points of a child: billiard's children end by `os._exit`."""
        self._adapter.leaving()

    def _is_measured(self, task: Any) -> bool:
        return task is not None and (self._app is None or task.app is self._app)


class _Headers(Getter[Any]):
    """The headers of a message, which Celery makes attributes of the request."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        value = getattr(carrier, key, None)
        return [value] if isinstance(value, str) else None

    def keys(self, carrier: Any) -> list[str]:
        return list(cast("dict[str, object]", vars(carrier)))


def _foreign_span(task: Any, task_id: str) -> Span | None:
    """Returns the span of OpenTelemetry's own instrumentation of Celery; an invalid one if it is still to begin."""
    if not is_instrumented(_FOREIGN, "CeleryInstrumentor"):
        return None
    found = cast("dict[tuple[str, bool], tuple[Span, object, object]]", getattr(task, "__otel_task_span", None) or {})
    return found[task_id, False][0] if (task_id, False) in found else INVALID_SPAN


def _outcome_of_state(state: str, retval: object) -> Outcome:
    if state == "SUCCESS":
        return ENDED
    if state == "RETRY":
        cause = getattr(retval, "exc", None)
        known = outcome_of(cause) if isinstance(cause, BaseException) else Outcome(error_type="celery.exceptions.Retry")
        return known._replace(reason=names.REASON_RETRY)
    kinds = {"REJECTED": ("Reject", names.REASON_REJECTED), "IGNORED": ("Ignore", names.REASON_SKIPPED)}
    kind, reason = kinds.get(state, (state, names.REASON_ERROR))
    return Outcome(reason=reason, error_type=f"celery.exceptions.{kind}" if state in kinds else state)


def _outcome_of_kill(task_id: str, error: BaseException | None) -> Outcome | None:
    """Returns how a greenlet ended that was killed because its task was revoked; None if that is not why."""
    if error is None or outcome_of(error).reason != names.REASON_CANCELLED:
        return None
    state: Any = import_module("celery.worker.state")
    return outcome_of(error)._replace(reason=names.REASON_REVOKED) if task_id in state.revoked else None
