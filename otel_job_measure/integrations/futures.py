"""`concurrent.futures` by hand: an executor whose calls are runs.

::

    with measured(ProcessPoolExecutor(), "import") as pool:
        pool.submit(import_orders, 17)

Nothing is replaced: only the calls of this wrapper are measured.
"""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast
from uuid import uuid4

from otel_job_measure.integrations.contract import Adapter, rooted
from otel_job_measure.integrations.process_pools import (
    BrokenPools,
    adapter_of,
    is_broken,
    is_child_of_multiprocessing,
    packed,
)

if TYPE_CHECKING:
    from otel_job_measure.runtime.measure import JobMeasure

_P = ParamSpec("_P")
_T = TypeVar("_T")
_LIBRARY: Final = "concurrent.futures"


def measured(executor: Executor, job: str | None = None, measure: "JobMeasure | None" = None) -> "MeasuredExecutor":
    """Returns an executor that runs each call of `submit` and `map` in another one, as a run.

    A call that is cancelled before it begins becomes a `skipped` event, and so does one that a broken pool never began.

    Args:
        executor: Threads or processes; it is shut down with the measured one.
        job: The jobs' name; None means the name of each function.
        measure: Measures the calls; None means the ready-made one of the environment.

    Returns:
        The measured executor.
    """
    return MeasuredExecutor(executor, job, measure)


class MeasuredExecutor(Executor):
    """An executor whose calls are runs, with the time that they waited in its queue."""

    def __init__(self, executor: Executor, job: str | None, measure: "JobMeasure | None") -> None:
        self._executor = executor
        self._job = job
        self._measure = packed(measure)
        self._adapter = adapter_of(_LIBRARY, b"") if measure is None else Adapter(_LIBRARY, measure)
        self._broken = BrokenPools(self._adapter)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Submits a call; its run ends when the pool's process is killed."""
        call = _Call(fn, self._job, self._adapter, self._measure)
        future = cast("Future[_T]", self._executor.submit(call, *args, **kwargs))
        future.add_done_callback(lambda done: self._done(call, done))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """Shuts the other executor down."""
        self._executor.shutdown(wait, cancel_futures=cancel_futures)

    def _done(self, call: "_Call", future: "Future[Any]") -> None:
        with self._adapter.guard:
            error = None if future.cancelled() else future.exception()
            if future.cancelled():
                self._skipped(call, "revoked", "cancelled")
            elif is_broken(error) and not self._broken.ended(self._executor, error, call.key):
                self._skipped(call, "not run", "the process pool broke")

    def _skipped(self, call: "_Call", why: str, detail: str) -> None:
        self._adapter.missed(call.job, call.queued_ns, why, detail, function=call.function)


class _Call:
    """A function in its measured form, which pickles if the function does."""

    def __init__(self, function: Callable[..., Any], job: str | None, adapter: Adapter, measure: bytes) -> None:
        self.function = function
        self.job = job or getattr(function, "__qualname__", type(function).__name__)
        self.key = uuid4().hex
        self.queued_ns = time.time_ns()
        self._adapter: Adapter | None = adapter
        self._measure = measure

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        options = rooted()
        options["function"] = self.function
        options["queued_ns"] = self.queued_ns
        if is_child_of_multiprocessing():
            options["watched"] = self.key
        adapter = self._adapter or adapter_of(_LIBRARY, self._measure)
        return adapter.around(lambda: self.function(*args, **kwargs), self.job, **options)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_adapter": None}  # a pool's process has its own
