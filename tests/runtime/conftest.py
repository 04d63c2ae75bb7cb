"""What most tests of whole `JobMeasure`s need."""

from collections.abc import Iterator

import pytest

from otel_job_measure.runtime import engines, ready
from otel_job_measure.spans import naming
from tests.delivery.support import TinyServer


@pytest.fixture(autouse=True)
def _nothing_made_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process in which no `JobMeasure` was made and nothing was said."""
    monkeypatch.setattr(naming, "_warned", set[str]())
    ready.forget_ready_measure()
    yield
    ready.forget_ready_measure()
    while engines._engines:
        engines._engines.popitem()[1].close(0)


@pytest.fixture
def server() -> Iterator[TinyServer]:
    """A server that takes everything, unless it is told to answer something else."""
    tiny = TinyServer()
    yield tiny
    tiny.close()
