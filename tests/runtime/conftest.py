"""What most tests of whole `JobMeasure`s need."""

from collections.abc import Iterator

import pytest

from otel_job_measure.spans import naming
from tests.delivery.support import TinyServer


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which nothing was said."""
    monkeypatch.setattr(naming._once, "_last_ns", dict[str, int]())


@pytest.fixture
def server() -> Iterator[TinyServer]:
    """A server that takes everything, unless it is told to answer something else."""
    tiny = TinyServer()
    yield tiny
    tiny.close()
