"""APScheduler 3: every run of every executor, and what its schedulers skip.

A process pool's child imports this module before it looks whether its first job is still in time. So nothing heavy is
imported here: the contract comes with the first job.
"""

import pickle
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from otel_job_measure.forks import fork_gate
from otel_job_measure.integrations.patches import Patches
from otel_job_measure.integrations.surroundings import ending_of_pool, is_child_of_multiprocessing, required
from otel_job_measure.integrations.times import nanoseconds

if TYPE_CHECKING:
    from otel_job_measure.integrations.contract import Adapter, TaskOptions
    from otel_job_measure.runtime.measure import JobMeasure

# APScheduler has no types.

_MOST_COALESCED: Final = 500
"""A scheduler that slept for a month has missed every minute of it: the newest ones are recorded."""
_is_random: Final = re.compile("[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}").fullmatch
_patches: Final = Patches()
_adapters: Final[dict[bytes, "Adapter"]] = {}
"""Those of a pool's child, by the pickled `JobMeasure` that came with a job."""


def install(app: object = None, measure: "JobMeasure | None" = None) -> None:
    """Measures the jobs of APScheduler from now on; a second call changes what they are measured with.

    Args:
        app: A scheduler, whose jobs alone are measured; None means every scheduler of the process.
        measure: Measures the jobs; None means the ready-made one of the environment.

    Raises:
        MissingDependencyError: APScheduler is not installed, or its version is another one.
    """
    required("apscheduler", "APScheduler", "3.11", "4")
    from otel_job_measure.integrations.apscheduler_dues import Schedulers  # noqa: PLC0415 - a pool's child needs none
    from otel_job_measure.integrations.contract import Adapter  # noqa: PLC0415 - a pool's child loads it later

    adapter = Adapter("APScheduler", measure)
    hooks = _Hooks(adapter, b"" if measure is None else pickle.dumps(measure), app)
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
        self._measure = measure
        self._app = app

    def submit(self, original: Callable[..., Any], executor: Any, job: Any, run_times: Any) -> Any:
        """Submits a job in its measured form."""
        if not self.measures(executor._scheduler):  # noqa: SLF001 - it has no public name
            return original(executor, job, run_times)
        task, times = job, run_times
        with self._adapter.guard:
            task = _Task(job, run_times, self._adapter, self._measure)
            times = _Times(task)
        try:
            return original(executor, task, times)
        except Exception as error:
            is_full = type(error).__name__ == "MaxInstancesReachedError"
            self._skipped(job, run_times, "max_instances" if is_full else "not submitted", error)
            raise

    def succeeded(self, original: Callable[..., Any], executor: Any, job_id: Any, events: Any) -> Any:
        """Records misfires: only the events of a batch tell of them."""
        with self._adapter.guard:
            if isinstance(job_id, _JobId):
                missed = [event.scheduled_run_time for event in events if event.code == _missed_code()]
                self._skipped(job_id.task.job, missed, "misfire", "later than its grace")
                for event in events:
                    event.job_id = str(event.job_id)
        return original(executor, str(job_id), events)

    def failed(self, original: Callable[..., Any], executor: Any, job_id: Any, *error: Any) -> Any:
        """Ends the runs of a process that was killed: the pool knows it, and no event ever tells."""
        with self._adapter.guard:
            if isinstance(job_id, _JobId) and type(error[0]).__name__ == "BrokenProcessPool":
                ending = ending_of_pool(executor._pool, error[0])  # noqa: SLF001 - as above
                for due in job_id.task.dues:
                    key = job_id.task.key(due)
                    is_begun = self._adapter.began(key)
                    if not self._adapter.witnessed(key, ending) and not is_begun:
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


class _JobId(str):  # noqa: SLOT000 - it carries its task
    """A job's id as the executor knows it, which leads back to what was submitted."""

    task: "_Task"

    def __reduce__(self) -> tuple[object, ...]:
        return str, (str(self),)


class _Task:
    """A job in its measured form, with the due times that it was submitted for; everything else is the job's."""

    def __init__(self, job: Any, dues: list[datetime], adapter: "Adapter | None", measure: bytes) -> None:
        self.job = job
        self.dues = list(dues)
        self.id = _JobId(job.id)
        self.id.task = self
        self.due: datetime | None = None
        """The due time whose turn it is."""
        self._adapter = adapter
        self._measure = measure

    def key(self, due: datetime) -> str:
        """Returns what the parent and the child of a pool call a run."""
        return f"apscheduler/{self.job.id}/{nanoseconds(due)}"

    @property
    def func(self) -> Callable[..., Any]:
        """The measured function, of the same kind as the job's."""
        function: Any = self.job.func
        if import_module("apscheduler.util").iscoroutinefunction_partial(function):

            async def measured_coroutine(*args: Any, **kwargs: Any) -> Any:
                name, options = self._options()
                return await self._its_adapter().around_async(lambda: function(*args, **kwargs), name, **options)

            return measured_coroutine

        def measured_function(*args: Any, **kwargs: Any) -> Any:
            name, options = self._options()
            return self._its_adapter().around(lambda: function(*args, **kwargs), name, **options)

        return measured_function

    def _its_adapter(self) -> "Adapter":
        """Returns the adapter; in a pool's child one is made with the first job."""
        if self._adapter is None:
            with fork_gate():
                from otel_job_measure.integrations.contract import Adapter  # noqa: PLC0415 - after the misfire check

                found = _adapters.get(self._measure)
                if found is None:
                    measure = cast("JobMeasure | None", pickle.loads(self._measure) if self._measure else None)  # noqa: S301
                    found = _adapters[self._measure] = Adapter("APScheduler", measure)
            self._adapter = found
        return self._adapter

    def _options(self) -> tuple[str, "TaskOptions"]:
        from otel_job_measure.integrations.contract import rooted  # noqa: PLC0415 - as above

        options = rooted()
        options["function"] = self.job.func
        options["trigger"] = "schedule"
        if self.due is not None:
            options["scheduled_ns"] = nanoseconds(self.due)
            if is_child_of_multiprocessing():
                options["watched"] = self.key(self.due)
        return job_name(self.job), options

    def __getattr__(self, name: str) -> Any:
        return getattr(self.job, name)

    def __str__(self) -> str:
        return str(self.job)

    def __reduce__(self) -> tuple[object, ...]:
        return _Task, (self.job, self.dues, None, self._measure)


class _Times(list[datetime]):
    """The due times of a batch, which tell their task whose turn it is."""

    def __init__(self, task: _Task) -> None:
        super().__init__(task.dues)
        self._task = task

    def __iter__(self) -> Iterator[datetime]:
        for due in self._task.dues:
            self._task.due = due
            yield due

    def __reduce__(self) -> tuple[object, ...]:
        return _Times, (self._task,)


def job_name(job: Any) -> str:
    """Returns a job's name: its id, unless that is random; then the reference of its function, as `app:nightly`."""
    if not _is_random(job.id):
        return str(job.id)
    return str(job.func_ref or job.name)


def _missed_code() -> int:
    return int(import_module("apscheduler.events").EVENT_JOB_MISSED)
