"""Celery's beat: when each task that it sends was due, and when its tasks are due next.

Also for schedules from a database (django-celery-beat), which have beat's own classes below them.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, cast

from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.integrations.times import AGAIN_S, AHEAD, MOST_DUES, nanoseconds

_AHEAD_NS: Final = AHEAD // timedelta(microseconds=1) * 1000

sent_for: Final[ContextVar[int | None]] = ContextVar("otel_job_measure_celery_due", default=None)
"""The due time of the task that beat sends at this moment, in ns since 1970."""


class Beat:
    """What is called in place of the methods of beat's scheduler; each gets the replaced method first."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._told: tuple[float, object] = (0.0, None)

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
            now_s = time.monotonic()
            present = {(name, str(entry.schedule), entry.task) for name, entry in entries.items()}
            if present != self._told[1] or now_s - self._told[0] >= AGAIN_S:
                gone = {task for _, _, task in cast("set[Any]", self._told[1] or set())}
                self._told = now_s, present
                self._tell_dues(entries, gone)
        return result

    def _tell_dues(self, entries: Mapping[str, Any], former: set[str]) -> None:
        dues: dict[str, list[int]] = {}
        now_ns = time.time_ns()
        for entry in entries.values():
            dues.setdefault(entry.task, []).extend(_dues(entry, now_ns))
        for task, times in dues.items():
            first = sorted(times)[:MOST_DUES]
            until_ns = first[-1] if len(times) > len(first) or len(first) == MOST_DUES else now_ns + _AHEAD_NS
            self._adapter.due_times(task, first, until_ns)
        for task in former - dues.keys():
            self._adapter.due_times(task, [], now_ns + _AHEAD_NS)


def _due_of(entry: Any) -> int | None:
    """Returns when an entry of beat that is sent now was due, by the code of its schedule."""
    if entry.last_run_at is None:
        return None
    last = entry.schedule.maybe_make_aware(entry.last_run_at)
    now_ns = time.time_ns()
    due_ns = now_ns + int(entry.schedule.remaining_estimate(last) // timedelta(microseconds=1)) * 1000
    return min(due_ns, now_ns)  # beat is never early by more than its rounding


def _dues(entry: Any, now_ns: int) -> Iterator[int]:
    """Yields the next due times of an entry, evaluated by the code of its schedule under another clock."""
    schedule = copy.copy(entry.schedule)
    at = schedule.maybe_make_aware(entry.last_run_at or schedule.now())
    for _ in range(MOST_DUES):
        schedule.nowfun = partial(_same, at)
        step = schedule.remaining_estimate(at)
        if step <= timedelta():
            return
        at = (at.astimezone(UTC) + step).astimezone(at.tzinfo)  # the step is one of elapsed time
        due_ns = nanoseconds(at)
        if due_ns > now_ns + _AHEAD_NS:
            return
        if due_ns > now_ns:
            yield due_ns


def _same(moment: datetime) -> datetime:
    return moment
