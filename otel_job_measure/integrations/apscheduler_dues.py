"""The next due times of APScheduler's jobs, evaluated by its triggers on the scheduler's thread, a little at a time."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from weakref import WeakSet

from otel_job_measure.integrations.apscheduler_task import job_name
from otel_job_measure.integrations.times import AGAIN_S, MOST_DUES, Upcoming, together, upcoming

if TYPE_CHECKING:
    from otel_job_measure.integrations.contract import Adapter

_LEAST_AGAIN_S: Final = 30.0
_SLICE_S: Final = 0.01
"""How long the scheduler's thread evaluates at a time: 500 due times of one job take about as long."""
_SOON_S: Final = 0.25


class _Said(NamedTuple):
    """What was said of one job, by its id."""

    name: str
    function: Any
    upcoming: Upcoming
    again_s: float
    """When it is said again, by the monotonic clock."""
    is_exact: bool
    """False with jitter: then each run makes the next due time known."""


class Dues:
    """What one scheduler has to say, beside the other ones of its process."""

    def __init__(self, adapter: "Adapter", every: "WeakSet[Dues]") -> None:
        self._adapter = adapter
        self._every = every
        self._waiting: dict[str, str | None] = {}
        """The ids of jobs to be evaluated, with their job store."""
        self._said: dict[str, _Said] = {}
        self._all_s = 0.0
        """When all jobs are looked at again."""

    def changed(self, job_id: str | None, jobstore: str | None, *, by_run: bool = False) -> None:
        """Notes that a job was added, changed, removed, or has run; without an id, all of them."""
        if job_id is None:
            self._all_s = 0.0
        elif not by_run or (job_id in self._said and not self._said[job_id].is_exact):
            self._waiting[str(job_id)] = jobstore

    def wait_s(self, scheduler: Any, wait_s: float | None) -> float:
        """Evaluates some jobs; returns for how long the scheduler can sleep, which wanted to sleep for `wait_s`."""
        begin_s = monotonic()
        if begin_s >= self._all_s:
            self._all_s = begin_s + AGAIN_S
            self._waiting |= dict.fromkeys(self._said)
            self._waiting |= {job.id: job._jobstore_alias for job in scheduler.get_jobs()}  # noqa: SLF001 - no public name
        self._waiting |= {job_id: None for job_id, said in self._said.items() if begin_s >= said.again_s}
        while self._waiting and (monotonic() - begin_s < _SLICE_S or not _is_running(scheduler)):
            job_id = next(iter(self._waiting))
            self._say(scheduler, job_id, self._waiting.pop(job_id))
        wakes = [self._all_s, *(said.again_s for said in self._said.values())]
        own_s = _SOON_S if self._waiting else max(0.0, min(wakes) - monotonic())
        return own_s if wait_s is None else min(wait_s, own_s)

    def said(self) -> list[_Said]:
        """Returns what was said of each job."""
        return list(self._said.values())

    def _say(self, scheduler: Any, job_id: str, jobstore: str | None) -> None:
        job, now = scheduler.get_job(job_id, jobstore), datetime.now(UTC)
        before = self._said.pop(job_id, None)
        if job is not None:
            found = due_times(job, now) if _is_running(scheduler) else upcoming((), now)
            lasts_s = found.until_ns / 1e9 - now.timestamp()
            again_s = monotonic() + min(AGAIN_S, max(_LEAST_AGAIN_S, lasts_s / 2))
            name = self._adapter.job_name(job_name(job), job.func)
            self._said[job_id] = _Said(name, job.func, found, again_s, not has_jitter(job.trigger))
        # Two jobs of one function can have one name, and a job can get another one.
        everything = [said for dues in list(self._every) for said in dues.said()]
        changed = {said.name: said for said in (before, self._said.get(job_id)) if said is not None}
        for name, said in changed.items():
            same = [each.upcoming for each in everything if each.name == name]
            self._adapter.due_times(name, *together(same, now), function=said.function)


def _is_running(scheduler: Any) -> bool:
    return bool(scheduler.state == import_module("apscheduler.schedulers.base").STATE_RUNNING)


def due_times(job: Any, now: datetime) -> Upcoming:
    """Returns the next due times of a job.

    A trigger with jitter gives other times each time that it is asked: only the next one is sure.
    """
    return upcoming(_dues(job, now), now, 1 if has_jitter(job.trigger) else MOST_DUES)


def has_jitter(trigger: Any) -> bool:
    """Returns whether a trigger, or one that it combines, is moved at random."""
    parts = getattr(trigger, "triggers", ())
    return bool(getattr(trigger, "jitter", None)) or any(has_jitter(part) for part in parts)


def _dues(job: Any, now: datetime) -> Iterator[datetime]:
    due: datetime | None = getattr(job, "next_run_time", None)
    while due is not None:
        yield due
        due = job.trigger.get_next_fire_time(due, max(due, now))


class Schedulers:
    """The due times of all schedulers of this process, in place of two methods of their class."""

    def __init__(self, adapter: "Adapter", is_measured: Callable[[object], bool]) -> None:
        self._adapter = adapter
        self._every: WeakSet[Dues] = WeakSet()
        self._is_measured = is_measured
        known: Any = import_module("apscheduler.events")
        self._runs = known.EVENT_JOB_SUBMITTED | known.EVENT_JOB_MAX_INSTANCES
        self._pauses = known.EVENT_SCHEDULER_PAUSED
        jobs = known.EVENT_JOB_ADDED | known.EVENT_JOB_REMOVED | known.EVENT_JOB_MODIFIED | known.EVENT_ALL_JOBS_REMOVED
        starts = known.EVENT_SCHEDULER_STARTED | known.EVENT_SCHEDULER_RESUMED
        self._ends = known.EVENT_SCHEDULER_SHUTDOWN
        self._changes = self._runs | self._pauses | self._ends | jobs | starts

    def dispatched(self, original: Callable[..., Any], scheduler: Any, event: Any) -> Any:
        """Notes that a job has changed."""
        with self._adapter.guard:
            if event.code & self._changes and self._is_measured(scheduler):
                dues, by_run = self._of(scheduler), bool(event.code & self._runs)
                dues.changed(getattr(event, "job_id", None), getattr(event, "jobstore", None), by_run=by_run)
                if event.code & self._pauses:  # it looks at no job now
                    dues.wait_s(scheduler, None)
                if event.code & self._ends:  # another one may take its place
                    self._every.discard(dues)
        return original(scheduler, event)

    def processed(self, original: Callable[..., Any], scheduler: Any) -> Any:
        """Says what has changed, and has the scheduler wake up each hour."""
        wait_s = original(scheduler)
        with self._adapter.guard:
            if self._is_measured(scheduler):
                return self._of(scheduler).wait_s(scheduler, wait_s)
        return wait_s

    def _of(self, scheduler: Any) -> Dues:
        # On the scheduler, so that it goes with it.
        own = cast("dict[str, Any]", vars(scheduler))
        known = cast("dict[int, Dues]", own.setdefault("_otel_job_measure_dues", {}))
        found = known.setdefault(id(self._adapter), Dues(self._adapter, self._every))
        self._every.add(found)
        return found
