"""Fakes for your own test suite: which runs were measured, without files, threads or a server.

::

    @pytest.fixture
    def runs():
        with recorded_runs() as runs:
            yield runs


    def test_the_import_is_measured(runs):
        import_orders()
        assert runs.one("import-orders").status == "end"

`otel_job_measure.testing.conformance` checks the adapter of a scheduler.
"""

from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.testing.recorded import (
    ListSink,
    ManualClock,
    MemoryJournal,
    RecordedRuns,
    SkippedRecord,
    recorded_runs,
)

__all__ = [
    "ListSink",
    "ManualClock",
    "MemoryJournal",
    "RecordedRuns",
    "RunRecord",
    "SkippedRecord",
    "recorded_runs",
]
