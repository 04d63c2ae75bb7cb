"""RQ, from version 2.0: every attempt of every job, its true ending, and the due times of RQ's cron.

RQ has no hooks that tell an ending apart, so methods of its classes are replaced. A job runs in a child process (the
horse) that lives for this one job: it only appends, and the worker, which lives on, sends. What the producer knows (the
due time, the number of retries, its span) travels in the job's `meta`, under one key.
"""

import copy
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import Any, Final, NamedTuple, cast

from opentelemetry import propagate, trace
from opentelemetry.trace import Link, Span, SpanKind

from otel_job_measure import names
from otel_job_measure.integrations.contract import Adapter, TaskOptions
from otel_job_measure.integrations.patches import Patches
from otel_job_measure.integrations.surroundings import required
from otel_job_measure.integrations.times import AGAIN_S, AHEAD, MOST_DUES, nanoseconds
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.runtime.measure import JobMeasure
from otel_job_measure.spans.outcome import outcome_of

META: Final = "otel_job_measure"
"""The key of a job's `meta`."""
_FOREIGN: Final = "opentelemetry_instrumentation_rq"
_WAITING: Final = frozenset({"created", "queued", "scheduled", "deferred"})
"""The states of a job that has not begun."""


class _Cron(NamedTuple):
    """The cron entry that enqueues a job at this moment."""

    name: str
    due: datetime | None


_KINDS: Final[dict[str, type]] = {"retries": int, "due": int, "due_of": int, "schedule": bool}
"""Of what the producer says; everything else is text."""

_cron: ContextVar[_Cron | None] = ContextVar("otel_job_measure_rq_cron", default=None)
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
        self._told: tuple[float, frozenset[int]] = (0.0, frozenset())
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
        _patches.wrap(job.Job, "create", self._create)
        _patches.wrap(job.Job, "cancel", self._cancel)
        _patches.wrap(queue.Queue, "create_job", self._create_job)
        _patches.wrap(queue.Queue, "schedule_job", self._schedule)
        try:
            from rq import cron  # noqa: PLC0415 - since RQ 2.5
        except ImportError:
            return
        _patches.wrap(cron.CronJob, "enqueue", self._enqueue_cron)
        _patches.wrap(cron.CronScheduler, "enqueue_jobs", self._enqueue_due)

    # In the producer

    def _create(self, original: Callable[..., Any], cls: Any, *args: Any, **more: Any) -> Any:
        job = original(cls, *args, **more)
        with self._adapter.guard:
            entry = _cron.get()
            said: dict[str, Any] = {}
            propagate.inject(said)
            if entry is not None:
                said |= {"name": entry.name, "schedule": True}
                if entry.due is not None:
                    said |= {"due": nanoseconds(entry.due), "due_of": 1}
            if said:
                job.meta = {**job.meta, META: said}
        return job

    def _create_job(self, original: Callable[..., Any], queue: Any, *args: Any, **more: Any) -> Any:
        job = original(queue, *args, **more)
        with self._adapter.guard:
            if job.retries_left:  # it counts down
                job.meta = {**job.meta, META: {**_said(job), "retries": job.retries_left}}
        return job

    def _schedule(self, original: Callable[..., Any], queue: Any, job: Any, at: Any, *args: Any, **more: Any) -> Any:
        with self._adapter.guard:
            said = _said(job)
            job.meta = {**job.meta, META: {**said, "due": nanoseconds(at), "due_of": _attempt(job, said)}}
        return original(queue, job, at, *args, **more)

    def _cancel(self, original: Callable[..., Any], job: Any, *args: Any, **more: Any) -> Any:
        status: object = None
        with self._adapter.guard:
            status = job.get_status()
        result = original(job, *args, **more)
        with self._adapter.guard:
            if status in _WAITING:
                said = _said(job)
                due = said.get("due") or nanoseconds(job.enqueued_at or job.created_at)
                self._adapter.missed(said.get("name") or job.func_name, due, "revoked", f"job {job.id}")
        return result

    def _enqueue_cron(self, original: Callable[..., Any], entry: Any, *args: Any, **more: Any) -> Any:
        token = _cron.set(_Cron(getattr(entry, "name", None) or entry.func_name, entry.next_enqueue_time))
        try:
            return original(entry, *args, **more)
        finally:
            _cron.reset(token)

    def _enqueue_due(self, original: Callable[..., Any], scheduler: Any) -> Any:
        result = original(scheduler)
        with self._adapter.guard:
            jobs = scheduler.get_jobs()
            now_s, present = time.monotonic(), frozenset(map(id, jobs))
            last_s, known = self._told
            if present != known or now_s - last_s >= AGAIN_S:
                self._told = now_s, present
                for job in jobs:
                    dues = _dues(job, datetime.now(UTC))
                    until = datetime.now(UTC) + AHEAD if len(dues) < MOST_DUES else dues[-1]
                    name = getattr(job, "name", None) or job.func_name
                    self._adapter.due_times(
                        name, [nanoseconds(due) for due in dues], nanoseconds(until), function=job.func
                    )
        return result

    # In the worker

    def _work(self, original: Callable[..., Any], worker: Any, *args: Any, **more: Any) -> Any:
        self._adapter.prepare()
        return original(worker, *args, **more)

    def _monitor(self, original: Callable[..., Any], worker: Any, job: Any, *args: Any, **more: Any) -> Any:
        try:
            return original(worker, job, *args, **more)
        except SystemExit:  # a cold shutdown has killed the horse
            self._adapter.witnessed(_key(job), Outcome(reason=names.REASON_CANCELLED, error_type="shutdown"))
            raise
        finally:
            self._adapter.collect()

    def _killed(
        self,
        original: Callable[..., Any],
        worker: Any,
        job: Any,
        pid: Any,
        status: Any,
        *args: Any,
    ) -> Any:
        with self._adapter.guard:
            outcome = _outcome_of_status(status)
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
        return original(worker, *args)

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
            said = _said(job)
            name, options = said.get("name") or job.func_name, self._options(job, said)
        return self._adapter.around(partial(original, job), name, **options)

    def _options(self, job: Any, said: dict[str, Any]) -> TaskOptions:
        attempt = _attempt(job, said)
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
            return Outcome(reason=names.REASON_CANCELLED, error_type="shutdown")
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
    instrumentor: Any = getattr(sys.modules.get(_FOREIGN), "RQInstrumentor", None)
    span: Any = trace.get_current_span()
    if instrumentor is None or not instrumentor().is_instrumented_by_opentelemetry or span is trace.INVALID_SPAN:
        return None
    scope = getattr(span, "instrumentation_scope", None)  # a span that is not sampled has none
    return span if scope is None or scope.name.startswith(_FOREIGN) else None


def _said(job: Any) -> dict[str, Any]:
    """Returns what the producer said; nothing that it may not have said."""
    meta: object = job.meta
    said = cast("dict[str, Any]", meta).get(META) if isinstance(meta, dict) else None
    texts = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    return {key: value for key, value in texts.items() if isinstance(value, _KINDS.get(key, str))}


def _attempt(job: Any, said: dict[str, Any]) -> int:
    """Returns which attempt runs: retries by exception count down, those by a returned `Retry` count up."""
    left, again = int(job.retries_left or 0), int(getattr(job, "number_of_retries", None) or 0)  # since RQ 2.3
    return 1 + max(0, int(said.get("retries", left)) - left) + again


def _is_tried_again(job: Any) -> bool:
    return (job.retries_left or 0) > 0


def _key(job: Any) -> str:
    return f"rq {job.id}"


def _outcome_of_status(status: int | None) -> Outcome:
    """Returns how a horse ended that wrote no ending, by its wait status."""
    if status is None:  # the worker killed it, a minute after its time limit
        return Outcome(reason=names.REASON_TIMEOUT, error_type="time limit")
    if os.WIFSIGNALED(status):
        return Outcome(reason=names.REASON_SIGNAL, error_type=signal.Signals(os.WTERMSIG(status)).name)
    return Outcome(reason=names.REASON_EXIT, error_type=f"exit {os.waitstatus_to_exitcode(status)}")


def _dues(entry: Any, now: datetime) -> list[datetime]:
    """Returns the next due times of a cron entry, evaluated by RQ's own code."""
    coming, dues = copy.copy(entry), list[datetime]()
    due = entry.next_enqueue_time or now
    while due <= now + AHEAD and len(dues) < MOST_DUES:
        dues.append(due)
        coming.latest_enqueue_time = due
        due = coming.get_next_enqueue_time()
        if due <= dues[-1]:
            break
    return dues
