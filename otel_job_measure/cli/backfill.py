"""`otel-job-measure ship --backfill`: sends the runs of the local history to the server."""

import contextlib
import sys
import time
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence

from otel_job_measure.clock import SystemClock
from otel_job_measure.delivery.consumer import EAGER, Consumer
from otel_job_measure.delivery.delivery_loop import DeliveryLoop
from otel_job_measure.delivery.suppress_tracing import untraced
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Segment, SegmentHeader
from otel_job_measure.printable import brief
from otel_job_measure.runtime.assembly import identity_of, server_sink
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings
from otel_job_measure.settings.model import ANY, LOCAL

_WINDOW_BYTES = 4 * 1024 * 1024
_PROGRESS_S = 5.0
_EVER = -(2**63)
_LONGEST_WAIT_S = 10.0
_TRIES = 5
"""How often in a row the server may fail before the command gives up."""


def backfill(settings: Settings, *, since_ns: int | None, redirected: Collection[str] | None) -> int:
    """Sends the history's runs since a time; returns 1 if some could not be sent.

    `redirected` has the ids of other destinations whose runs are sent too; None means all.
    """
    counters = Counters()
    clock = SystemClock()
    server = Consumer(server_sink(settings, counters, clock=clock), EAGER, clock=clock)
    history, behind = up_to_date(settings)
    if behind.points:
        print(f"{behind.points} points are not in the history yet: {brief(behind.why)}", file=sys.stderr)
    destinations = None if redirected is None else {LOCAL, ANY, settings.destination_id, *redirected}
    rows = history.points(_EVER if since_ns is None else since_ns, destinations=destinations)
    header = SegmentHeader(identity=identity_of(settings), slot=0, ordinal=0, created_ns=clock.wall_ns())
    source = _HistorySource(rows, header, counters)
    loop = DeliveryLoop(source, [server], clock=clock)
    _send(source, loop, server, counters)
    loop.close()
    counts = counters.now()
    print(f"{counts.delivered} points accepted, {counts.rejected} rejected, {counts.expired} expired")
    if not source.is_done:
        print("the rest could not be sent: run the command again; resent points overwrite themselves", file=sys.stderr)
    return 0 if source.is_done else 1


def _send(source: "_HistorySource", loop: DeliveryLoop, server: Consumer, counters: Counters) -> None:
    """Sends until the server has everything, has failed several times in a row, or wants a longer wait."""
    failures = delivered = 0
    while True:
        untraced(lambda: loop.recover(lambda: True))
        now = counters.now().delivered
        failures, delivered = (0 if now > delivered else failures + 1), now
        wait_s = server.wait_s(1, hurry=True) or 0.0
        if source.is_done or failures >= _TRIES or wait_s > _LONGEST_WAIT_S:
            return
        time.sleep(wait_s)


class _Rows:
    """Rows of the history as a segment in memory."""

    def __init__(self, number: int, header: SegmentHeader, data: bytes) -> None:
        self.name = f"backfill-{number}"
        self.header = header
        self._data = data

    def size(self) -> int:
        """Returns how many bytes are left; 0 after `delete`."""
        return len(self._data)

    def read(self, offset: int, limit: int) -> bytes:
        """Returns whole lines from an offset on."""
        end = self._data.rfind(b"\n", offset, offset + limit) + 1 or self._data.find(b"\n", offset) + 1
        return self._data[offset:end]

    def delete(self) -> None:
        """Forgets the rows."""
        self._data = b""


class _HistorySource:
    """Gives the history's rows to a delivery loop, one window at a time; a window that failed comes again."""

    def __init__(self, rows: Iterator[bytes], header: SegmentHeader, counters: Counters) -> None:
        self._windows = _windows(rows, header)
        self._counters = counters
        self._print_s = time.monotonic() + _PROGRESS_S
        self._window: _Rows | None = next(self._windows, None)

    @property
    def is_done(self) -> bool:
        """Returns whether the server has every row."""
        return self._window is None

    def own(self) -> Sequence[Segment]:
        """Returns nothing: this process writes no points."""
        return ()

    @contextlib.contextmanager
    def left(self) -> Generator[Iterable[Sequence[Segment]] | None]:
        """Gives the rows that the server lacks."""
        yield self._given()
        self._skip_sent()

    def recover(self) -> None:
        """Recovers nothing: reading the history did."""

    def maintain(self) -> None:
        """Maintains nothing."""

    def drop(self, segment: Segment, *, is_lost: bool = False) -> None:  # noqa: ARG002 - the protocol's
        """Forgets rows that the server has."""
        segment.delete()

    def _given(self) -> Iterator[Sequence[Segment]]:
        while self._window is not None:
            yield [self._window]
            if self._window.size():
                return
            self._skip_sent()

    def _skip_sent(self) -> None:
        while self._window is not None and self._window.size() == 0:
            self._window = next(self._windows, None)
            if time.monotonic() >= self._print_s:
                self._print_s = time.monotonic() + _PROGRESS_S
                print(f"{self._counters.now().delivered} points accepted so far", file=sys.stderr, flush=True)


def _windows(rows: Iterator[bytes], header: SegmentHeader) -> Iterator[_Rows]:
    number = size = 0
    parts: list[bytes] = []
    for lines in rows:
        parts.append(lines)
        size += len(lines)
        if size >= _WINDOW_BYTES:
            yield _Rows(number, header, b"".join(parts))
            number, size, parts = number + 1, 0, []
    if parts:
        yield _Rows(number, header, b"".join(parts))
