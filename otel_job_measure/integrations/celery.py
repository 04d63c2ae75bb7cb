"""Celery, from version 5.3: every attempt of every task in every pool, its true ending, and beat's due times.

Celery's signals tell of the start and the end of an attempt. In a prefork pool, the main process alone knows why it
terminated a child (a hard time limit, a revoke, a shutdown) or that the child was killed. So a child leaves such a run
open, and the main process ends it. What the producer knows (when the task was queued, beat's due time) travels in the
message's headers.
"""

import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from itertools import count
from typing import Any, Final, cast

from opentelemetry import propagate
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from otel_job_measure import names
from otel_job_measure.integrations.celery_beat import Beat, sent_for
from otel_job_measure.integrations.celery_main import HEADER, MainProcess, key_of, ns_of, said_of
from otel_job_measure.integrations.contract import Adapter, TaskOptions
from otel_job_measure.integrations.patches import Patches
from otel_job_measure.integrations.surroundings import is_instrumented, required
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.runtime.measure import JobMeasure
from otel_job_measure.spans.outcome import outcome_of

_FOREIGN: Final = "opentelemetry.instrumentation.celery"
_TERMINATED: Final = -(256 - signal.SIGTERM)
"""What billiard's handler of SIGTERM gives to `sys.exit` in a child."""
_patches: Final = Patches()
_installed: "list[_Hooks]" = []


def install(app: object = None, measure: JobMeasure | None = None) -> None:
    """Measures the tasks of this process's Celery apps, and what its beat sends; a second call does nothing.

    Args:
        app: An app, whose tasks alone are measured; None means every app of the process.
        measure: Measures tasks that are not decorated; None means the ready-made one of the environment.

    Raises:
        MissingDependencyError: Celery is not installed, or too old.
    """
    required("celery", "Celery", "5.3")
    if not _installed:
        hooks = _Hooks(app, measure)
        _installed.append(hooks)
        hooks.connect()


def uninstall() -> None:
    """Measures the tasks of Celery no more."""
    while _installed:
        _installed.pop().disconnect()


class _Hooks:
    """What Celery calls."""

    def __init__(self, app: object, measure: JobMeasure | None) -> None:
        self._app = app
        self._adapter = Adapter("Celery", measure)
        self._main = MainProcess(self._adapter)
        self._numbers = count()
        self._beat = Beat(self._adapter)
        signals: Any = import_module("celery.signals")
        self._receivers: list[tuple[Any, Any]] = [
            (signals.before_task_publish, self._published),
            (signals.task_prerun, self._started),
            (signals.task_postrun, self._ended),
            (signals.task_revoked, self._main.revoked),
            (signals.task_retry, self._main.cancelled),
            (signals.worker_init, self._main.begins),
            (signals.worker_ready, self._main.lives),
            (signals.worker_process_shutdown, self._child_leaves),
            (signals.worker_shutdown, self._main.ends),
        ]

    def connect(self) -> None:
        for each, receiver in self._receivers:
            each.connect(receiver, weak=False)
        request: Any = import_module("celery.worker.request").Request
        scheduler: Any = import_module("celery.beat").Scheduler
        _patches.wrap(import_module("celery.app.task").Task, "retry", self._retries)
        _patches.wrap(request, "on_timeout", self._main.timed_out)
        _patches.wrap(request, "on_failure", self._main.failed)
        _patches.wrap(scheduler, "apply_async", self._beat.sends)
        _patches.wrap(scheduler, "tick", self._beat.ticks)

    def disconnect(self) -> None:
        for each, receiver in self._receivers:
            each.disconnect(receiver)
        _patches.restore()

    # In the producer

    def _published(self, headers: Any = None, **_: object) -> None:
        with self._adapter.guard:
            if isinstance(headers, dict):
                said: dict[str, int] = {"queued": time.time_ns()}
                if (due := sent_for.get()) is not None:
                    said["due"] = due
                given = cast("dict[str, Any]", headers)
                given[HEADER] = said
                if "traceparent" not in given:  # another instrumentation's producer span stays the parent
                    propagate.inject(given)

    # In the process that runs the task

    def _started(self, task_id: str = "", task: Any = None, **_: object) -> None:
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

    def _retries(self, original: Callable[..., Any], task: Any, *args: Any, **more: Any) -> Any:
        asked = original(task, *args, **more)  # raises, unless `throw=False`
        with self._adapter.guard:
            if not asked.is_eager:  # else there is no other attempt
                task.request.otel_job_measure_retry = asked
        return asked

    def _ended(self, task_id: str = "", task: Any = None, retval: Any = None, state: Any = None, **_: object) -> None:
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

    def _child_leaves(self, **_: object) -> None:
        self._adapter.leaving()  # billiard's children end by `os._exit`

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
