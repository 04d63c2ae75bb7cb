"""The next due times of a schedule that its owner looks at all the time: said hourly, and when it has changed."""

from collections.abc import Iterable
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple

from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.integrations.times import AGAIN_S, Upcoming, together, upcoming


class Entry(NamedTuple):
    """One entry of a schedule."""

    job: str
    """What the scheduler calls the job."""
    function: object
    """The job's function, or None if it is not known."""
    dues: Iterable[datetime]
    """The due times from now on in ascending order, evaluated by the scheduler's own code."""


class Agenda:
    """What was said of one schedule."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._schedule: object = None
        self._again_s = 0.0
        self._jobs: dict[str, object] = {}
        """The function of each job that something was said of."""

    def say(self, schedule: object, entries: Iterable[Entry]) -> None:
        """Says the due times of a schedule's entries, unless that was done lately for an equal `schedule`."""
        now_s, now = monotonic(), datetime.now(UTC)
        if schedule == self._schedule and now_s < self._again_s:
            return
        self._schedule, self._again_s = schedule, now_s + AGAIN_S
        jobs: dict[str, object] = {}
        parts: dict[str, list[Upcoming]] = {}
        for entry in entries:
            with self._adapter.guard:  # a schedule may be code of the app
                job = self._adapter.job_name(entry.job, entry.function)
                jobs[job] = entry.function
                found = upcoming(entry.dues, now)
                parts.setdefault(job, []).append(found)
        for job, function in (self._jobs | jobs).items():
            if job in parts or job not in jobs:  # evaluated, or gone
                self._adapter.due_times(job, *together(parts.get(job, ()), now), function=function)
        self._jobs = jobs
