"""OpenTelemetry instrumentation for scheduled and background jobs, with InfluxDB as its store."""

import importlib
import logging
import os
from types import ModuleType
from typing import TYPE_CHECKING

from otel_job_measure.forks import fork_gate

if TYPE_CHECKING:
    from otel_job_measure.delivery.health import Health
    from otel_job_measure.entrypoints.compose import compose, compose_sync
    from otel_job_measure.entrypoints.run_handle import RunHandle
    from otel_job_measure.points.outcome import Outcome
    from otel_job_measure.runtime.default import JobSpanProcessor, job_measure, job_measure_sync
    from otel_job_measure.runtime.measure import JobMeasure
    from otel_job_measure.settings import Settings
    from otel_job_measure.spans.rules import SpanRule
    from otel_job_measure.spans.run import JobRun

__all__ = [
    "Health",
    "JobMeasure",
    "JobRun",
    "JobSpanProcessor",
    "Outcome",
    "RunHandle",
    "Settings",
    "SpanRule",
    "compose",
    "compose_sync",
    "job_measure",
    "job_measure_sync",
]

# Names are resolved at their first use, so that a command that needs no SDK does not load it.
_HOMES = {
    "Health": "delivery.health",
    "JobMeasure": "runtime.measure",
    "JobRun": "spans.run",
    "JobSpanProcessor": "runtime.default",
    "Outcome": "points.outcome",
    "RunHandle": "entrypoints.run_handle",
    "Settings": "settings",
    "SpanRule": "spans.rules",
    "compose": "entrypoints.compose",
    "compose_sync": "entrypoints.compose",
    "job_measure": "runtime.default",
    "job_measure_sync": "runtime.default",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with fork_gate():  # a fork during an import would hang the child at the same import
        found: object = getattr(_imported(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found


def _imported(module: str) -> ModuleType:
    """Imports a module; if OpenTelemetry cannot be imported with its variables as they are, without them."""
    try:
        return importlib.import_module(module)
    except (StopIteration, ValueError) as error:
        variables = {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}
        wrong = [name for name, value in variables.items() if value in str(error)]
        message = "OpenTelemetry cannot be imported with the variables %s as they are: it is used without them (%r)"
        logging.getLogger(__name__).error(message, ", ".join(wrong or variables), error)  # noqa: TRY400 - the exception is in the text
        try:
            for name in variables:
                del os.environ[name]
            return importlib.import_module(module)
        finally:
            os.environ.update(variables)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
