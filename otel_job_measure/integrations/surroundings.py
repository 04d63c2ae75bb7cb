"""What an adapter asks of its process: the version of its library, and its parent."""

import re
import sys
from signal import Signals
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from otel_job_measure.errors import MissingDependencyError
from otel_job_measure.forks import fork_gate

if TYPE_CHECKING:
    from otel_job_measure.points.outcome import Outcome

_DYING_S: Final = 1.0


def is_child_of_multiprocessing() -> bool:
    """Returns whether this process was started by multiprocessing, as those of process pools are."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def required(distribution: str, library: str, lowest: str, below: str | None = None) -> None:
    """Raises a `MissingDependencyError` unless a library is installed in a version that the adapter knows."""
    with fork_gate():
        from importlib import metadata  # noqa: PLC0415 - 30 modules, which a pool's child need not load

    wanted = f"{distribution}>={lowest}" + (f",<{below}" if below else "")
    try:
        found = metadata.version(distribution)
    except metadata.PackageNotFoundError as error:
        raise MissingDependencyError(f"{library} is not installed: pip install '{wanted}'") from error
    if not _numbers(lowest) <= _numbers(found) or (below is not None and _numbers(found) >= _numbers(below)):
        raise MissingDependencyError(f"{library} {found} is installed, which is not measured: pip install '{wanted}'")


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in found[0].split(".")) if found else ()


def ending_of_pool(pool: object, error: BaseException) -> "Outcome":
    """Returns how the process of a broken process pool ended, by its exit code if that can be seen."""
    from otel_job_measure.points.outcome import Outcome  # noqa: PLC0415 - as above

    processes: dict[int, Any] = getattr(pool, "_processes", None) or {}
    deadline = monotonic() + _DYING_S
    while not (codes := [process.exitcode for process in processes.values() if process.exitcode]):
        if not processes or monotonic() > deadline:
            break
        sleep(0.001)  # its end of the pipe is closed a moment before its exit code can be seen
    code = min(codes, default=0)
    if code < 0:
        return Outcome(reason="signal", error_type=Signals(-code).name, error_message=str(error))
    kind = type(error)
    return Outcome(
        reason="exit" if code else "error",
        error_type=f"{kind.__module__}.{kind.__qualname__}",
        error_message=str(error),
    )
