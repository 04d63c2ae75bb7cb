"""A job of APScheduler in its measured form, as executors get it.

A process pool's child imports this module before it looks whether its first job is still in time. So nothing heavy is
imported here: the contract comes with the first job.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from otel_job_measure.integrations.process_pools import adapter_of, is_child_of_multiprocessing
from otel_job_measure.integrations.times import nanoseconds

if TYPE_CHECKING:
    from otel_job_measure.integrations.contract import Adapter, TaskOptions

_is_random: Final = re.compile("[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}").fullmatch


def job_name(job: Any) -> str:
    """Returns a job's name: its id, unless that is random; then the reference of its function, as `app:nightly`."""
    if not _is_random(job.id):
        return str(job.id)
    return str(job.func_ref or job.name)


class JobId(str):  # noqa: SLOT000 - it carries its task
    """A job's id as the executor knows it, which leads back to what was submitted."""

    task: "Task"

    def __reduce__(self) -> tuple[object, ...]:
        return str, (str(self),)


class Task:
    """A job in its measured form, with the due times that it was submitted for; everything else is the job's."""

    def __init__(self, job: Any, dues: list[datetime], adapter: "Adapter | None", measure: bytes) -> None:
        self.job = job
        self.dues = list(dues)
        self.id = JobId(job.id)
        self.id.task = self
        self.due: datetime | None = None
        """The due time whose turn it is."""
        self.pool: object = None
        """The pool that it was submitted to."""
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
                return await self._its_adapter.around_async(lambda: function(*args, **kwargs), name, **options)

            return measured_coroutine

        def measured_function(*args: Any, **kwargs: Any) -> Any:
            name, options = self._options()
            return self._its_adapter.around(lambda: function(*args, **kwargs), name, **options)

        return measured_function

    @property
    def _its_adapter(self) -> "Adapter":
        return self._adapter or adapter_of("APScheduler", self._measure)

    def _options(self) -> tuple[str, "TaskOptions"]:
        from otel_job_measure.integrations.contract import rooted  # noqa: PLC0415 - with the first job

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
        return Task, (self.job, self.dues, None, self._measure)


class Times(list[datetime]):
    """The due times of a batch, which tell their task whose turn it is."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.dues)
        self._task = task

    def __iter__(self) -> Iterator[datetime]:
        for due in self._task.dues:
            self._task.due = due
            yield due

    def __reduce__(self) -> tuple[object, ...]:
        return Times, (self._task,)
