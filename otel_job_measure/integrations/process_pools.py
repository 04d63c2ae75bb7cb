"""What the adapters of process pools share: the adapter of a pool's process, and how such a process ended.

A pool's process imports this before its first job. So nothing heavy is imported here.
"""

import pickle
import sys
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakKeyDictionary

from otel_job_measure.forks import fork_gate

if TYPE_CHECKING:
    from otel_job_measure.entrypoints.run_handle import RunHandle
    from otel_job_measure.integrations.contract import Adapter
    from otel_job_measure.points.outcome import Outcome
    from otel_job_measure.runtime.measure import JobMeasure

_DYING_S: Final = 1.0
_adapters: Final[dict[tuple[str, bytes], "Adapter"]] = {}


def packed(measure: "JobMeasure | None") -> bytes:
    """Returns a `JobMeasure` as it travels to a pool's process."""
    return b"" if measure is None else pickle.dumps(measure)


def adapter_of(scheduler: str, measure: bytes) -> "Adapter":
    """Returns the adapter of this process that measures with a packed `JobMeasure`; the first call makes it."""
    if (scheduler, measure) not in _adapters:
        with fork_gate():
            from otel_job_measure.integrations.contract import Adapter  # noqa: PLC0415 - with the first job

            given = cast("JobMeasure | None", pickle.loads(measure) if measure else None)  # noqa: S301 - our own
            _adapters.setdefault((scheduler, measure), Adapter(scheduler, given))
    return _adapters[scheduler, measure]


def is_child_of_multiprocessing() -> bool:
    """Returns whether this process was started by multiprocessing, as those of process pools are."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def is_broken(error: object) -> bool:
    """Returns whether an exception says that a process of the pool has died."""
    return type(error).__name__ == "BrokenProcessPool"


class BrokenPools:
    """What one adapter knows of pools that broke: it looks once a pool, since thousands of calls may have waited."""

    def __init__(self, adapter: "Adapter") -> None:
        self._adapter = adapter
        self._found: WeakKeyDictionary[object, tuple[Outcome, dict[str, RunHandle | None]]] = WeakKeyDictionary()
        """By the pool's exception, which all of its calls share."""

    def ended(self, pool: object, error: object, key: str) -> bool:
        """Ends the run of a process that died with its pool; returns False if the run never began."""
        if error not in self._found:
            outcome = _outcome(pool, error)  # it may wait, and a call may begin meanwhile
            self._found[error] = outcome, self._adapter.noted()
        outcome, noted = self._found[error]
        handle = noted.get(key)
        if handle is not None:
            self._adapter.witnessed(handle, outcome)
        return key in noted


def _outcome(pool: object, error: object) -> "Outcome":
    """Returns how the process ended, by its exit code if that can be seen."""
    from otel_job_measure.points.outcome import Outcome, outcome_of_exit  # noqa: PLC0415 - loaded with the contract

    processes: dict[int, Any] = getattr(pool, "_processes", None) or {}
    deadline = monotonic() + _DYING_S
    while processes and monotonic() < deadline:
        codes = {process.exitcode for process in processes.values()} - {None}
        if codes:
            return outcome_of_exit(min(codes), str(error))
        sleep(0.001)  # its end of the pipe is closed a moment before its exit code can be seen
    kind = type(error)
    return Outcome(reason="error", error_type=f"{kind.__module__}.{kind.__qualname__}", error_message=str(error))
