"""What the producers of RQ's jobs know and say: due times, retries, cancelled jobs, and the schedule of its cron.

It travels in the job's `meta`, under one key.
"""

import copy
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, cast

from opentelemetry import propagate

from otel_job_measure.integrations.agenda import Agenda, Entry
from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.integrations.times import nanoseconds

META: Final = "otel_job_measure"
"""The key of a job's `meta`."""
_WAITING: Final = frozenset({"created", "queued", "scheduled", "deferred"})
"""The states of a job that has not begun."""
_KINDS: Final[dict[str, type]] = {"retries": int, "due": int, "due_of": int, "schedule": bool}
"""Of what the producer says; everything else is text."""


class _Cron(NamedTuple):
    """The cron entry that enqueues a job at this moment."""

    name: str
    due: datetime | None


_cron: ContextVar[_Cron | None] = ContextVar("otel_job_measure_rq_cron", default=None)


class Producer:
    """What is called in place of RQ's methods; each gets the replaced method first."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._agenda = Agenda(adapter)

    def create(self, original: Callable[..., Any], cls: Any, *args: Any, **more: Any) -> Any:
        """Notes the producer's span, and the cron entry with its due time."""
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

    def create_job(self, original: Callable[..., Any], queue: Any, *args: Any, **more: Any) -> Any:
        """Notes how many retries there are: RQ counts them down."""
        job = original(queue, *args, **more)
        with self._adapter.guard:
            if job.retries_left:
                job.meta = {**job.meta, META: {**said_of(job), "retries": job.retries_left}}
        return job

    def schedule_job(self, original: Callable[..., Any], queue: Any, job: Any, at: Any, *args: Any, **more: Any) -> Any:
        """Notes when the job, or its next attempt, is due."""
        with self._adapter.guard:
            said = said_of(job)
            job.meta = {**job.meta, META: {**said, "due": nanoseconds(at), "due_of": attempt_of(job, said)}}
        return original(queue, job, at, *args, **more)

    def cancel(self, original: Callable[..., Any], job: Any, *args: Any, **more: Any) -> Any:
        """Records a job that is cancelled while it waits."""
        status: object = None
        with self._adapter.guard:
            status = job.get_status()
        result = original(job, *args, **more)
        with self._adapter.guard:
            if status in _WAITING:
                due = said_of(job).get("due") or nanoseconds(job.enqueued_at or job.created_at)
                is_loaded = job.func_name.rpartition(".")[0] in sys.modules
                function = job.func if is_loaded else None
                self._adapter.missed(name_of(job), due, "revoked", f"job {job.id}", function=function)
        return result

    def enqueue(self, original: Callable[..., Any], entry: Any, *args: Any, **more: Any) -> Any:
        """Says for whom a job is created."""
        token = _cron.set(_Cron(_cron_name(entry), entry.next_enqueue_time))
        try:
            return original(entry, *args, **more)
        finally:
            _cron.reset(token)

    def enqueue_jobs(self, original: Callable[..., Any], scheduler: Any) -> Any:
        """Says the next due times of the cron, hourly and when it has changed."""
        result = original(scheduler)
        with self._adapter.guard:
            entries = scheduler.get_jobs()
            present = frozenset(map(id, entries))
            self._agenda.say(present, (Entry(_cron_name(entry), entry.func, _dues(entry)) for entry in entries))
        return result


def said_of(job: Any) -> dict[str, Any]:
    """Returns what the producer said; nothing that it may not have said."""
    meta: object = job.meta
    said = cast("dict[str, Any]", meta).get(META) if isinstance(meta, dict) else None
    texts = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    return {key: value for key, value in texts.items() if isinstance(value, _KINDS.get(key, str))}


def name_of(job: Any) -> str:
    """Returns the name of a job: that of its cron entry, or of its function, as `app.tasks.report`."""
    name = said_of(job).get("name") or job.func_name
    instance: object = job.instance
    return str(name) if instance is None else f"{type(instance).__module__}.{type(instance).__qualname__}.{name}"


def attempt_of(job: Any, said: dict[str, Any]) -> int:
    """Returns which attempt runs: retries by exception count down, those by a returned `Retry` count up."""
    left, again = int(job.retries_left or 0), int(getattr(job, "number_of_retries", None) or 0)  # since RQ 2.3
    return 1 + max(0, int(said.get("retries", left)) - left) + again


def _cron_name(entry: Any) -> str:
    return str(getattr(entry, "name", None) or entry.func_name)


def _dues(entry: Any) -> Iterator[datetime]:
    """Yields the next due times of a cron entry, evaluated by RQ's own code."""
    coming = copy.copy(entry)
    due, before = entry.next_enqueue_time or datetime.now(UTC), None
    while before is None or due > before:
        yield due
        coming.latest_enqueue_time = before = due
        due = coming.get_next_enqueue_time()
