"""The history passes the contract of all stores."""

from pathlib import Path

import pytest

from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.run_store import RunStore
from otel_job_measure.journal.interfaces import Chunk
from otel_job_measure.testing import ManualClock
from tests.history.support import history_in
from tests.insight.contract import CLOCK_NS, Load, StoreContract

_EVER_S = 1e9


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Ingests lines into a history as segments bring them."""

    def loaded(data: bytes) -> RunStore:
        clock = ManualClock(wall=CLOCK_NS)
        history = history_in(tmp_path, clock, retention_s=_EVER_S)
        history.fold([Chunk(segment="local-1.lp", offset=0, data=data, host="")])
        return HistoryStore(history, clock)

    return loaded


class TestHistoryStore(StoreContract):
    """The history."""
