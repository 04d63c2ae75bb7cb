"""RQ, from version 2.0: every attempt of every job, its true ending, and the due times of RQ's cron.

RQ has no hooks that tell an ending apart, so methods of its classes are replaced. A job runs in a child process (the
horse) that lives for this one job: it only appends, and the worker, which lives on, sends.
"""

import os
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
from otel_job_measure.integrations.patches import Patches
from otel_job_measure.integrations.rq_producer import Producer, attempt_of, name_of, said_of
from otel_job_measure.integrations.surroundings import is_instrumented, required
from otel_job_measure.integrations.times import nanoseconds
from otel_job_measure.points.outcome import Outcome, outcome_of_exit
from otel_job_measure.runtime.measure import JobMeasure
from otel_job_measure.spans.outcome import outcome_of

_FOREIGN: Final = "opentelemetry_instrumentation_rq"
_SHUT_DOWN: Final = Outcome(reason=names.REASON_CANCELLED, error_type="shutdown")
_in_horse: ContextVar[bool] = ContextVar("otel_job_measure_rq_horse", default=False)
_patches: Final = Patches()


def install(app: object = None, measure: JobMeasure | None = None) -> None:
    """Measures the jobs of all RQ workers of this process; does nothing if it is installed already.

    Call it where a worker or a cron process starts, and in the process that enqueues, so that the lag behind the
    schedule, the attempt and the producer's span are known.

    Args:
        app: Nothing: RQ has no application object.
        measure: Measures jobs that are not decorated; None means the ready-made one of the environment.

    Raises:
        MissingDependencyError: RQ is not installed, or too old.
    """
    del app
    required("rq", "RQ", "2", "4")
    if not _patches:
        _Hooks(measure).put()


def uninstall() -> None:
    """Leaves RQ as it was."""
    _patches.restore()


class _Hooks:
    """What is put in the place of RQ's methods."""

    def __init__(self, measure: JobMeasure | None) -> None:
        self._rq: Any = import_module("rq")
        self._adapter = Adapter("RQ", measure)
        self._producer = Producer(self._adapter)
        self._is_forced = False

    def put(self) -> None:
        from rq import job, queue, worker  # noqa: PLC0415 - an optional library

        base: Any = getattr(worker, "BaseWorker", worker.Worker)
        for owner in dict.fromkeys((base, worker.Worker)):  # in older versions they are one class
            for name, hook in {
                "work": self._work,
                "perform_job": self._perform_job,
                "monitor_work_horse": self._monitor,
                "handle_work_horse_killed": self._killed,
                "handle_job_failure": self._failed,
                "request_force_stop": self._force_stop,
            }.items():
                _patches.wrap(owner, name, hook)
        _patches.wrap(job.Job, "perform", self._perform)
        _patches.wrap(job.Job, "create", self._producer.create)
        _patches.wrap(job.Job, "cancel", self._producer.cancel)
        _patches.wrap(queue.Queue, "create_job", self._producer.create_job)
        _patches.wrap(queue.Queue, "schedule_job", self._producer.schedule_job)
        with suppress(ImportError):
            from rq import cron  # noqa: PLC0415 - since RQ 2.5

            _patches.wrap(cron.CronJob, "enqueue", self._producer.enqueue)
            _patches.wrap(cron.CronScheduler, "enqueue_jobs", self._producer.enqueue_jobs)

    # In the worker

    def _work(self, original: Callable[..., Any], worker: Any, *args: Any, **more: Any) -> Any:
        self._adapter.prepare()
        self._adapter.collect()  # what a killed worker has left, also if no job comes for long
        return original(worker, *args, **more)

    def _monitor(self, original: Callable[..., Any], worker: Any, job: Any, *args: Any, **more: Any) -> Any:
        try:
            result = original(worker, job, *args, **more)
        except SystemExit:  # a cold shutdown has killed the horse
            self._adapter.witnessed(_key(job), _SHUT_DOWN)
            raise
        else:
            if _status(job) == "started":  # the horse called `os._exit(0)`, which RQ takes for its own end
                self._adapter.witnessed(_key(job), outcome_of_exit(0))
            return result
        finally:
            self._adapter.collect()

    def _killed(self, original: Callable[..., Any], worker: Any, job: Any, pid: Any, status: Any, *args: Any) -> Any:
        with self._adapter.guard:
            if self._is_forced:  # another signal has interrupted the shutdown
                outcome = _SHUT_DOWN
            elif status is None:  # the worker killed it, a minute after its time limit
                outcome = Outcome(reason=names.REASON_TIMEOUT, error_type="time limit")
            else:
                outcome = outcome_of_exit(os.waitstatus_to_exitcode(status))
            if _is_tried_again(job):
                outcome = outcome._replace(reason=names.REASON_RETRY)
            self._adapter.witnessed(_key(job), outcome)
        return original(worker, job, pid, status, *args)

    def _failed(self, original: Callable[..., Any], worker: Any, job: Any, *args: Any, **more: Any) -> Any:
        with self._adapter.guard:
            if not worker.is_horse and getattr(worker, "_stopped_job_id", None) == job.id:
                stopped = Outcome(reason=names.REASON_CANCELLED, error_type="stopped")
                self._adapter.witnessed(_key(job), stopped)
        return original(worker, job, *args, **more)

    def _force_stop(self, original: Callable[..., Any], worker: Any, *args: Any) -> Any:
        self._is_forced = True  # it raises SystemExit, in the job if this process runs it
        result = original(worker, *args)
        self._is_forced = False  # RQ ignores a second signal within a second
        return result

    # In the horse

    def _perform_job(self, original: Callable[..., Any], worker: Any, *args: Any, **more: Any) -> Any:
        if not worker.is_horse:
            return original(worker, *args, **more)
        self._adapter.short_lived()
        token = _in_horse.set(True)
        try:
            return original(worker, *args, **more)
        finally:
            _in_horse.reset(token)
            self._adapter.leaving()

    def _perform(self, original: Callable[..., Any], job: Any) -> Any:
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
            options["watched"] = _key(job)
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
            if not isinstance(result, self._rq.Retry):
                return None
            is_last = (job.number_of_retries or 0) >= result.max
            reason = names.REASON_ERROR if is_last else names.REASON_RETRY
            return Outcome(reason=reason, error_type="Retry")
        if self._is_forced and isinstance(error, SystemExit):
            return _SHUT_DOWN
        why: str | None = None
        if _is_tried_again(job):
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


def _status(job: Any) -> object:
    with suppress(Exception):  # the job is gone from Redis, or Redis is away
        return job.get_status()
    return None


def _is_tried_again(job: Any) -> bool:
    return (job.retries_left or 0) > 0


def _key(job: Any) -> str:
    return f"rq {job.id}"
