"""A process's journal for one destination with all that hangs on it, shared by every `JobMeasure` that goes there."""

import contextlib
import logging
import sys
import threading
from collections.abc import Generator
from typing import TYPE_CHECKING, Final

from otel_job_measure import forks, names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Journal, Position
from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.runtime import exits
from otel_job_measure.runtime.places import StoreOpener, dies_with_process, identity_of, in_usable_place
from otel_job_measure.settings import Settings
from otel_job_measure.spans.recorder import Recorder

if TYPE_CHECKING:
    from otel_job_measure.journal.maintenance import JournalSource
    from otel_job_measure.runtime.assembly import Shipping

_MOST_S: Final = 3600.0
_log = logging.getLogger(names.LOGGER)
_stand_ins: Final[list[Journal]] = []


class Pipeline:
    """A journal, and the shipper that brings what is in it to its sinks.

    Nothing is taken and no thread started before the first point; but what a delivery needs is imported here, on the
    thread that asks for it.

    Args:
        settings: Those of the first `JobMeasure` that comes here.
        client: An `InfluxDBClient` of the app's own, or None.
        ships: Whether this process has a shipper from the beginning; `exec` needs none before its command runs.
        clock: The machine's clocks.
    """

    def __init__(
        self, settings: Settings, *, client: object = None, ships: bool = True, clock: Clock | None = None
    ) -> None:
        settings, message = in_usable_place(settings)
        if message:
            _log.warning("%s", message)
        self.settings = settings
        self.counters = Counters()
        self._clock = clock or SystemClock()
        self._client = client
        self._opener = StoreOpener(settings, self._clock, self.counters)
        self._shipping: Shipping | None = None
        self._ships = False
        self._is_closed = False
        self._has_sent = False
        self._lock = threading.RLock()
        self._closing = threading.RLock()
        self.journal = SegmentJournal(
            self._opener,
            clock=self._clock,
            counters=self.counters,
            host=identity_of(settings).host,
            memory_store=self._opener.memory,
        )
        forks.register(forks.Order.PIPELINES, self.forked)
        if ships and not settings.disabled:
            self.ship()

    @property
    def shipping(self) -> "Shipping | None":
        """Returns what delivers; None where nothing does, or not yet in this life of the process."""
        return self._shipping

    def recorder(self, settings: Settings) -> Recorder:
        """Returns what writes the runs of a `JobMeasure` with these settings into this journal."""
        confirms = settings.confirm_start == "server"
        return Recorder(
            settings,
            self.current_journal,
            clock=self._clock,
            confirm=self._confirm if confirms else None,
            confirm_async=self._confirm_async if confirms else None,
        )

    def current_journal(self) -> Journal:
        """Returns where points go at this moment: a test's stand-in, or the journal, opened again after a close."""
        if _stand_ins and (last := _stand_ins[-1:]):  # a test in another thread may end between the two
            return last[0]
        if self._is_closed:
            self._open_again()
        return self.journal

    def ship(self) -> "Shipping":
        """Returns what delivers, made at the first call in each life of the process; what it needs is imported."""
        with self._lock:
            if self._shipping is None:
                with forks.fork_gate():
                    from otel_job_measure.runtime.assembly import Shipping  # noqa: PLC0415 - `exec` needs it later

                    self._shipping = Shipping(
                        self.settings,
                        self.source(),
                        self.counters,
                        client=self._client,
                        clock=self._clock,
                        is_in_memory=lambda: self._opener.in_memory,
                    )
                self._ships = True
                self.journal.wake = self._shipping.wake
                exits.watch(self)
            return self._shipping

    def source(self) -> "JournalSource":
        """Returns the reading side of the journal, which also maintains the state directory."""
        from otel_job_measure.journal.maintenance import JournalSource  # noqa: PLC0415 - `exec` rarely needs it

        return JournalSource(
            self.journal,
            identity_of(self.settings),
            clock=self._clock,
            max_bytes=self.settings.max_bytes,
            counters=self.counters,
            is_delivered=lambda segment: self._shipping is not None and self._shipping.has_delivered(segment),
        )

    def flush(self, timeout_s: float) -> bool:
        """Waits until every point so far is at its destination, or, without shipping, on disk."""
        if self.journal.waiting:
            self.journal.maintain()
        return self._arrives(self.journal.tail(), timeout_s, self._shipping)

    def close(self, timeout_s: float) -> bool:
        """Sends what is not sent yet, and gives the slot back; a later point opens everything again.

        Returns:
            Whether every point so far is at its destination, or, without shipping, on disk.
        """
        forks.check()
        closing = self._closing  # a handler may fork meanwhile, and its child has another
        if not closing.acquire(timeout=min(max(timeout_s, 0), _MOST_S)):
            return False  # another thread is at it
        try:
            if not self._is_closed:
                self._has_sent = self._close(timeout_s)
            return self._has_sent
        finally:
            closing.release()

    def close_at_exit(self) -> None:
        """Closes when the process ends, for at most `OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT`."""
        self.close(self.settings.shutdown_timeout_s)

    def forked(self) -> None:
        """Begins anew in a forked child, with its first point; the journal does so by itself."""
        self._lock = threading.RLock()
        self._closing = threading.RLock()
        self._rest()

    def _arrives(self, mark: Position, timeout_s: float, shipping: "Shipping | None") -> bool:
        if self.journal.waiting:
            return False
        if mark <= (0, 0):
            return True  # nothing was measured
        if not self.settings.ship or self.settings.destination is None:
            return not self._opener.in_memory
        return shipping is not None and shipping.wait_for(mark, timeout_s)

    def _close(self, timeout_s: float) -> bool:
        with self._lock:
            self._is_closed, shipping = True, self._shipping
        mark = self.journal.tail()
        fleeting = self._opener.in_memory or dies_with_process(self.settings.state_path)
        settled = shipping is not None and shipping.close(timeout_s, dies_with_process=fleeting)
        has_sent = self._arrives(mark, 0, shipping)
        self._close_journal(mark, delivered=settled and has_sent)
        return has_sent

    def _close_journal(self, mark: Position, *, delivered: bool) -> None:
        if not self._is_closed:
            return  # a run has begun meanwhile, and opened everything again
        try:
            self.journal.close(delivered=delivered, until=mark)
        except OSError as error:
            _log.warning("what was measured could not be put away; another process will find it: %s", error)

    def _open_again(self) -> None:
        with self._lock:
            if self._is_closed:
                self._is_closed = False
                self._rest()

    def _rest(self) -> None:
        self._shipping = None
        if self._ships:
            self.journal.wake = self._ship_and_wake

    def _ship_and_wake(self) -> None:
        if not sys.is_finalizing():  # then nothing can be imported any more, and the next process sends it
            self.ship().wake()

    def _confirm(self, mark: Position, timeout_s: float) -> bool:
        return not _stand_ins and self.ship().confirm(mark, timeout_s)

    async def _confirm_async(self, mark: Position, timeout_s: float) -> bool:
        return not _stand_ins and await self.ship().confirm_async(mark, timeout_s)


@contextlib.contextmanager
def stand_in(journal: Journal) -> Generator[None]:
    """Lets every run of this process go into a journal of a test's while the block runs.

    Args:
        journal: The test's.
    """
    _stand_ins.append(journal)
    try:
        yield
    finally:
        _stand_ins.remove(journal)
