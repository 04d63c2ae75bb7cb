"""What a worker of uWSGI is told."""

import sys
from types import SimpleNamespace

import pytest

from otel_job_measure.delivery.shipper import Shipper
from otel_job_measure.journal.counters import Counters
from tests.delivery.support import FakeSource
from tests.runtime.support import said


@pytest.mark.parametrize(("has_threads", "expected"), [(0, 1), (1, 0)])
def test_a_uwsgi_without_threads_is_told(
    has_threads: int, expected: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Older versions of uWSGI let a thread run only during requests, unless they are told otherwise."""
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(has_threads=has_threads))
    shipper = Shipper(FakeSource(), [], Counters())
    shipper.wake()
    shipper.close(10)
    assert len([message for message in said(caplog) if "--enable-threads" in message]) == expected
