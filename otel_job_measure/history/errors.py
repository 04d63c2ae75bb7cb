"""What can be the matter with the history, besides what everybody may see of `otel_job_measure.errors`."""

from otel_job_measure.errors import HistoryError


class BusyHistoryError(HistoryError):
    """Another process is at the history; try again later."""


class DamagedHistoryError(HistoryError):
    """The history was damaged; it has been set aside, and the next transaction begins a new one."""
