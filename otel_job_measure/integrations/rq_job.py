"""The process that runs the jobs of RQ: a horse, or the worker itself."""

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from typing import Any, Final

from opentelemetry import propagate, trace
from opentelemetry.trace import Link, Span, SpanKind

from otel_job_measure import names
from otel_job_measure.integrations.contract import Adapter, TaskOptions
from otel_job_measure.integrations.rq_producer import attempt_of, name_of, said_of
from otel_job_measure.integrations.surroundings import is_instrumented
from otel_job_measure.integrations.times import nanoseconds
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.spans.outcome import outcome_of

SHUT_DOWN: Final = Outcome(reason=names.REASON_CANCELLED, error_type="shutdown")
_FOREIGN: Final = "opentelemetry_instrumentation_rq"
_in_horse: ContextVar[bool] = ContextVar("otel_job_measure_rq_horse", default=False)


class JobProcess:
    """What is called in place of RQ's methods there; each gets the replaced method first."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._retry: Any = import_module("rq").Retry
        self.is_forced = False
        """Whether a cold shutdown is under way."""

    def force_stop(self, original: Callable[..., Any], worker: Any, *args: Any) -> Any:
        """Notes a cold shutdown."""
        self.is_forced = True  # it raises SystemExit, in the job if this process runs it
        result = original(worker, *args)
        self.is_forced = False  # RQ ignores a second signal within a second
        return result

    def perform_job(self, original: Callable[..., Any], worker: Any, *args: Any, **more: Any) -> Any:
        """Has a horse append only, and leave its points to the worker."""
        if not worker.is_horse:
            return original(worker, *args, **more)
        self._adapter.short_lived()
        token = _in_horse.set(True)
        try:
            return original(worker, *args, **more)
        finally:
            _in_horse.reset(token)
            self._adapter.leaving()

    def perform(self, original: Callable[..., Any], job: Any) -> Any:
        """Runs a job in its run."""
        name, options = job.func_name, TaskOptions()
        with self._adapter.guard:
            name, options = name_of(job), self._options(job, said_of(job))
        return self._adapter.around(partial(original, job), name, **options)

    def _options(self, job: Any, said: dict[str, Any]) -> TaskOptions:
        attempt = attempt_of(job, said)
        is_due = "due" in said and said.get("due_of") == attempt
        first = names.TRIGGER_SCHEDULE if said.get("schedule") or is_due else names.TRIGGER_MESSAGE
        options: TaskOptions = {
            "kind": SpanKind.CONSUMER,
            "task_id": job.id,
            "attempt": attempt,
            "trigger": names.TRIGGER_RETRY if attempt > 1 else first,
            "judge": partial(self._judged, job),
        }
        if _in_horse.get():
            options["watched"] = key_of(job)
        if job.enqueued_at is not None:
            options["queued_ns"] = nanoseconds(job.enqueued_at)
        if is_due:
            options["scheduled_ns"] = said["due"]
        if (foreign := _foreign_span()) is not None:
            options["foreign"] = foreign
        producer = trace.get_current_span(propagate.extract(said)).get_span_context()
        if producer.is_valid:
            options["links"] = [Link(producer)]
        with suppress(Exception):  # the job fails by it, and says so
            options["function"] = job.func
        return options

    def _judged(self, job: Any, error: BaseException | None, result: Any) -> Outcome | None:
        if error is None:
            if not isinstance(result, self._retry):
                return None
            is_last = (job.number_of_retries or 0) >= result.max
            reason = names.REASON_ERROR if is_last else names.REASON_RETRY
            return Outcome(reason=reason, error_type="Retry")
        if self.is_forced and isinstance(error, SystemExit):
            return SHUT_DOWN
        why: str | None = None
        if is_tried_again(job):
            why = names.REASON_RETRY
        elif isinstance(error, import_module("rq.timeouts").BaseTimeoutException):
            why = names.REASON_TIMEOUT
        elif type(error).__name__ == "ShutDownImminentException":
            why = names.REASON_CANCELLED
        return None if why is None else outcome_of(error)._replace(reason=why)


def _foreign_span() -> Span | None:
    """Returns the span that opentelemetry-instrumentation-rq has opened around the job that begins, if it has."""
    span: Any = trace.get_current_span()
    if span is trace.INVALID_SPAN or not is_instrumented(_FOREIGN, "RQInstrumentor"):
        return None
    scope = getattr(span, "instrumentation_scope", None)  # a span that is not sampled has none
    return span if scope is None or scope.name.startswith(_FOREIGN) else None


def is_tried_again(job: Any) -> bool:
    """Returns whether a job that fails now gets another attempt."""
    return (job.retries_left or 0) > 0


def key_of(job: Any) -> str:
    """Returns what a worker and its horse call a run."""
    return f"rq {job.id}"
