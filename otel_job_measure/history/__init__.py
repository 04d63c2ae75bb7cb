"""The local history: runs in an SQLite file, folded from the journal's points."""

from otel_job_measure.history.history import Behind, History
from otel_job_measure.history.questions import RUNNING, WORDS, HistoryRun
from otel_job_measure.history.sink import HistorySink

__all__ = ["RUNNING", "WORDS", "Behind", "History", "HistoryRun", "HistorySink"]
