"""The one place that puts the parts together."""

from otel_job_measure.runtime.opened import OpenedRecorder, open_recorder

__all__ = ["OpenedRecorder", "open_recorder"]
