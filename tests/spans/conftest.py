"""What most tests of spans need."""

from collections.abc import Iterator

import pytest

from otel_job_measure.spans import naming, processor
from tests.spans.support import App, Bench


@pytest.fixture
def app() -> App:
    """An app that traces, everything sampled."""
    return App()


@pytest.fixture
def bench(app: App) -> Bench:
    """A recorder whose runs have their spans from the app's provider."""
    return Bench(app.provider)


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said once a process is said once a test."""
    monkeypatch.setattr(naming._once, "_last_ns", dict[str, int]())


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """No test leaves an open span."""
    before = len(processor._open)
    yield
    assert len(processor._open) == before
