"""A shipper over fakes, and what its tests need."""

import contextlib
import threading
from collections.abc import Generator
from typing import Any

import pytest

from otel_job_measure.delivery.consumer import EAGER, LAZY, Consumer
from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.delivery.shipper import THREAD_NAME, Shipper
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Position
from otel_job_measure.settings import Settings
from tests.delivery.support import FakeSource, ListRejects, ListSink, line

LONG_S = 30.0


class Ship:
    """A shipper over a source and a sink in memory, with its real thread."""

    def __init__(self, *, lazy: bool = False) -> None:
        self.source = FakeSource()
        self.sink = ListSink()
        self.counters = Counters()
        self.consumer = Consumer(self.sink, LAZY if lazy else EAGER)
        self.shipper = Shipper(self.source, [self.consumer], self.counters)
        self.source.wake = self.shipper.wake

    def append(self, *numbers: int) -> Position:
        self.counters.appended += len(numbers)
        return self.source.append(*map(line, numbers))

    def is_known_down(self) -> bool:
        """Waits until the server is known to be down."""
        self.shipper.wait_for(self.source.tail(), LONG_S, unless_down=True)
        return self.shipper.known_down


def forbid_shippers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets no thread of ours be started, as when the interpreter goes down."""
    start = threading.Thread.start

    def refuse(self: threading.Thread) -> None:
        if self.name == THREAD_NAME:
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)


@contextlib.contextmanager
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """No thread of ours can be started in the block."""
    with monkeypatch.context() as patched:
        forbid_shippers(patched)
        yield


def sink_for(settings: Settings, **more: Any) -> InfluxSink:  # noqa: ANN401 - any of the sink's own arguments
    """Returns a sink that counts and rejects for itself."""
    return InfluxSink(settings, Counters(), ListRejects(), **more)
