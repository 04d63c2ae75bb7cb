"""APScheduler 3: every run of every executor, and what its schedulers skip.

A spawned process of a pool may import the app, and so this module, before it looks whether its first job is still in
time. So nothing heavy is imported before `install`.
"""

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from otel_job_measure.integrations.apscheduler_dues import Schedulers
from otel_job_measure.integrations.apscheduler_task import JobId, Task, Times, job_name
from otel_job_measure.integrations.patches import Patches
from otel_job_measure.integrations.process_pools import BrokenPools, is_broken, packed
from otel_job_measure.integrations.surroundings import required
from otel_job_measure.integrations.times import nanoseconds

if TYPE_CHECKING:
    from otel_job_measure.integrations.contract import Adapter
    from otel_job_measure.runtime.measure import JobMeasure

# APScheduler has no types.

_MOST_COALESCED: Final = 500
"""A scheduler that slept for a month has missed every minute of it: the newest ones are recorded."""
_patches: Final = Patches()


def install(app: object = None, measure: "JobMeasure | None" = None) -> None:
    """Measures the jobs of APScheduler from now on; a second call changes what they are measured with.

    Args:
        app: A scheduler, whose jobs alone are measured; None means every scheduler of the process.
        measure: Measures the jobs; None means the ready-made one of the environment.

    Raises:
        MissingDependencyError: APScheduler is not installed, or its version is another one.
    """
    required("apscheduler", "APScheduler", "3.11", "4")
    from otel_job_measure.integrations.contract import Adapter  # noqa: PLC0415 - a pool's process may not need it

    adapter = Adapter("APScheduler", measure)
    hooks = _Hooks(adapter, packed(measure), app)
    uninstall()
    executor = import_module("apscheduler.executors.base").BaseExecutor
    _patches.wrap(executor, "submit_job", hooks.submit)
    _patches.wrap(executor, "_run_job_success", hooks.succeeded)
    _patches.wrap(executor, "_run_job_error", hooks.failed)
    _patches.wrap(import_module("apscheduler.job").Job, "_get_run_times", hooks.run_times)
    scheduler = import_module("apscheduler.schedulers.base").BaseScheduler
    schedulers = Schedulers(adapter, hooks.measures)
    _patches.wrap(scheduler, "_dispatch_event", schedulers.dispatched)
    _patches.wrap(scheduler, "_process_jobs", schedulers.processed)


def uninstall() -> None:
    """Measures the jobs of APScheduler no more."""
    _patches.restore()


class _Hooks:
    """What is called in place of APScheduler's own methods; each gets the replaced method first."""

    def __init__(self, adapter: "Adapter", measure: bytes, app: object) -> None:
        self._adapter = adapter
        self._broken = BrokenPools(adapter)
        self._measure = measure
        self._app = app

    def submit(self, original: Callable[..., Any], executor: Any, job: Any, run_times: Any) -> Any:
        """Submits a job in its measured form."""
        if not self.measures(executor._scheduler):  # noqa: SLF001 - it has no public name
            return original(executor, job, run_times)
        task, times = job, run_times
        with self._adapter.guard:
            task = Task(job, run_times, self._adapter, self._measure)
            times = Times(task)
        try:
            submitted = original(executor, task, times)
        except Exception as error:
            is_full = type(error).__name__ == "MaxInstancesReachedError"
            self._skipped(job, run_times, "max_instances" if is_full else "not submitted", error)
            raise
        if isinstance(task, Task):
            task.pool = getattr(executor, "_pool", None)  # it takes a new one if this one breaks
        return submitted

    def succeeded(self, original: Callable[..., Any], executor: Any, job_id: Any, events: Any) -> Any:
        """Records misfires: only the events of a batch tell of them."""
        with self._adapter.guard:
            if isinstance(job_id, JobId):
                missed = [event.scheduled_run_time for event in events if event.code == _missed_code()]
                self._skipped(job_id.task.job, missed, "misfire", "later than its grace")
                for event in events:
                    event.job_id = str(event.job_id)
        return original(executor, str(job_id), events)

    def failed(self, original: Callable[..., Any], executor: Any, job_id: Any, *error: Any) -> Any:
        """Ends the runs of a process that was killed: the pool knows it, and no event ever tells."""
        with self._adapter.guard:
            if isinstance(job_id, JobId) and is_broken(error[0]):
                pool = job_id.task.pool or executor._pool  # noqa: SLF001 - as above
                for due in job_id.task.dues:
                    if not self._broken.ended(pool, error[0], job_id.task.key(due)):
                        self._skipped(job_id.task.job, [due], "not run", "the process pool broke")
        return original(executor, str(job_id), *error)

    def run_times(self, original: Callable[..., Any], job: Any, now: datetime) -> Any:
        """Records the due times that are coalesced into the last one."""
        times = original(job, now)
        with self._adapter.guard:
            if job.coalesce and len(times) > 1 and self.measures(job._scheduler):  # noqa: SLF001 - as above
                self._skipped(job, times[-1 - _MOST_COALESCED : -1], "coalesced", f"into that of {times[-1]}")
        return times

    def measures(self, scheduler: object) -> bool:
        """Returns whether a scheduler's jobs are measured."""
        return self._app is None or self._app is scheduler

    def _skipped(self, job: Any, times: list[datetime], why: str, detail: object) -> None:
        for due in times:
            self._adapter.missed(job_name(job), nanoseconds(due), why, str(detail), function=job.func)


def _missed_code() -> int:
    return int(import_module("apscheduler.events").EVENT_JOB_MISSED)
