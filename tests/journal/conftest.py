"""What the journal's tests share."""

import pytest

from otel_job_measure.journal import segment_writer

SMALL = 8 * 1024


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of a few dozen lines, so that a test rotates many times."""
    monkeypatch.setattr(segment_writer, "_MIN_SEGMENT", SMALL)
    monkeypatch.setattr(segment_writer, "_MAX_SEGMENT", SMALL)
