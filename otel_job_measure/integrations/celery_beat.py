"""Celery's beat: when each task that it sends was due, and when its tasks are due next.

Also for schedules from a database (django-celery-beat), which have beat's own classes below them.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from otel_job_measure.integrations.agenda import Agenda, Entry
from otel_job_measure.integrations.contract import Adapter

sent_for: Final[ContextVar[int | None]] = ContextVar("otel_job_measure_celery_due", default=None)
"""The due time of the task that beat sends at this moment, in ns since 1970."""


class Beat:
    """What is called in place of the methods of beat's scheduler; each gets the replaced method first."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._agenda = Agenda(adapter)

    def sends(self, original: Callable[..., Any], scheduler: Any, entry: Any, *args: Any, **more: Any) -> Any:
        """Notes the due time while beat sends a task."""
        due = None
        with self._adapter.guard:
            due = _due_of(entry)
        token = sent_for.set(due)
        try:
            return original(scheduler, entry, *args, **more)
        finally:
            sent_for.reset(token)

    def ticks(self, original: Callable[..., Any], scheduler: Any, *args: Any, **more: Any) -> Any:
        """Says the next due times, hourly and when the schedule has changed."""
        result = original(scheduler, *args, **more)
        with self._adapter.guard:
            entries: Mapping[str, Any] = scheduler.schedule
            tasks = scheduler.app.tasks
            present = {(name, str(entry.schedule), entry.task) for name, entry in entries.items()}
            self._agenda.say(
                present,
                (
                    Entry(entry.task, getattr(tasks.get(entry.task), "run", None), upcoming_of(entry))
                    for entry in entries.values()
                ),
            )
        return result


def _due_of(entry: Any) -> int | None:
    """Returns when an entry of beat that is sent now was due, by the code of its schedule."""
    if entry.last_run_at is None:
        return None
    last = entry.schedule.maybe_make_aware(entry.last_run_at)
    now_ns = time.time_ns()
    due_ns = now_ns + int(entry.schedule.remaining_estimate(last) // timedelta(microseconds=1)) * 1000
    return min(due_ns, now_ns)  # beat is never early by more than its rounding


def upcoming_of(entry: Any) -> Iterator[datetime]:
    """Yields the next due times of an entry, evaluated by the code of its schedule under another clock."""
    schedule, now = copy.copy(entry.schedule), datetime.now(UTC)
    at = schedule.maybe_make_aware(entry.last_run_at or schedule.now())
    while True:
        schedule.nowfun = partial(_same, at)
        step = schedule.remaining_estimate(at)
        if step <= timedelta():
            return
        at = (at.astimezone(UTC) + step).astimezone(at.tzinfo)  # the step is one of elapsed time
        if at > now:
            yield at
        else:  # beat was not there, and sends the task now
            at = now.astimezone(at.tzinfo)


def _same(moment: datetime) -> datetime:
    return moment
