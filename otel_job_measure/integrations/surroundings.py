"""What an adapter asks of its surroundings: the version of its library, and whether another one instruments it."""

import re
import sys
from typing import Any

from otel_job_measure.errors import MissingDependencyError
from otel_job_measure.forks import fork_gate


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


def is_instrumented(module: str, instrumentor: str) -> bool:
    """Returns whether an instrumentation of another project is active in this process."""
    made: Any = getattr(sys.modules.get(module), instrumentor, None)
    return made is not None and bool(made().is_instrumented_by_opentelemetry)


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in found[0].split(".")) if found else ()
