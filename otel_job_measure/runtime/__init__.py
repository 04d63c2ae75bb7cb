"""The one place that puts the parts together."""

from otel_job_measure.runtime.engine import Engine, engine_for, stand_in
from otel_job_measure.runtime.opened import OpenedRecorder, open_recorder

__all__ = ["Engine", "OpenedRecorder", "engine_for", "open_recorder", "stand_in"]
