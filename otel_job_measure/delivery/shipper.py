"""The one thread of a process that brings its points to their sinks."""

import contextlib
import logging
import os
import threading
from collections.abc import Sequence
from typing import Final

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.delivery.backlog import Backlog
from otel_job_measure.delivery.bell import Bell
from otel_job_measure.delivery.consumer import Consumer
from otel_job_measure.delivery.delivery_loop import DeliveryLoop
from otel_job_measure.delivery.flush_waiters import Waiter, Waiters
from otel_job_measure.delivery.suppress_tracing import untraced
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Position, Source
from otel_job_measure.rate_limited_log import RateLimitedLog

_log = logging.getLogger(names.LOGGER)

THREAD_NAME: Final = "otel-job-measure"
_AGAIN_S: Final = 1.0
_START_AGAIN_NS: Final = 1_000_000_000


class Shipper:
    """Ships what one journal of one process holds, and what others left.

    Its thread is started by the first point. A child of fork needs a shipper of its own: in it, that of its parent does
    nothing.

    Args:
        source: The reading side of the journal.
        consumers: The ways to the sinks; marks are reached when those have a point that are served at once.
        counters: Where the journal counts what is appended.
        clock: The machine's clocks.
        drops: Whether a segment can go when these sinks have it; False where another process ships it elsewhere.
    """

    def __init__(
        self,
        source: Source,
        consumers: Sequence[Consumer],
        counters: Counters,
        *,
        clock: Clock | None = None,
        drops: bool = True,
    ) -> None:
        self._clock = clock or SystemClock()
        self._bell, self._over_bell = Bell(), Bell()
        self._backlog = Backlog(counters)
        self._rounds = DeliveryLoop(
            source, consumers, backlog=self._backlog, clock=self._clock, drops=drops, pause=self._bell.wait
        )
        self._quiet = RateLimitedLog(_log, self._clock)
        self._waiters = Waiters()
        self._pid = os.getpid()
        # Only ever tried, never waited for.
        self._starting = threading.Lock()
        self._driving = threading.Lock()
        self._closed_once = threading.Lock()
        self._thread: threading.Thread | None = None
        self._driver: int | None = None
        self._idle = False
        self._retry = False
        self._wanted = False
        self._start_after_ns = 0
        self._closing = False
        self._ends_ns = 0
        self._patient = False
        self._over = False
        self._settled = False

    # For the job's thread

    def wake(self) -> None:
        """Says that a point was appended. It may be called anywhere, and costs next to nothing while points flow."""
        if self._idle:
            self._idle = False
            self._bell.ring()
        elif self._thread is None:
            self._start()

    def wait_for(self, mark: Position, timeout_s: float, *, unless_down: bool = False) -> bool:
        """Waits until everything before a mark is at its destination; the server is tried at once.

        Args:
            mark: A place in the journal.
            timeout_s: The longest wait, in seconds.
            unless_down: Whether not to wait, nor to try, while the server is known to be down.

        Returns:
            Whether it is there, or will never be because the server refused it.
        """
        known = self._known(mark, unless_down=unless_down)
        if known is not None:
            return known
        if not self._start():
            return False
        bell = Bell()
        waiter = self._add_waiter(Waiter(mark, bell.ring, unless_down=unless_down))
        try:
            bell.wait(timeout_s)
        finally:
            self._waiters.remove(waiter)
        return waiter.reached

    async def wait_for_async(self, mark: Position, timeout_s: float, *, unless_down: bool = False) -> bool:
        """Waits as `wait_for` does, in the running event loop of asyncio and without holding it up."""
        import asyncio  # noqa: PLC0415 - who has a running loop has it loaded; others need not pay for it

        known = self._known(mark, unless_down=unless_down)
        if known is not None or not self._start():
            return known is True
        loop, told = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(told.set)

        waiter = self._add_waiter(Waiter(mark, tell, unless_down=unless_down))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await told.wait()
        finally:
            self._waiters.remove(waiter)
        return waiter.reached

    def close(self, timeout_s: float, *, dies_with_process: bool = False) -> bool:
        """Sends what this process still has, and ends the thread; a second call waits for the first.

        Args:
            timeout_s: The longest wait, in seconds.
            dies_with_process: Whether what is not sent now is lost: then a failure does not end the attempt.

        Returns:
            Whether nobody needs the segments of this process any more.
        """
        if os.getpid() != self._pid:
            return False
        if self._closed_once.acquire(blocking=False):
            self._ends_ns = self._clock.monotonic_ns() + int(timeout_s * 1e9)
            self._patient = dies_with_process
            self._closing = True
            self._bell.ring()
            if self._driving.acquire(blocking=False):  # there is no thread
                self._driver = threading.get_ident()
                untraced(self._finish)
        if not self._over and self._driver != threading.get_ident() and self._over_bell.wait(timeout_s):
            self._over_bell.ring()  # for the next who waits
        return self._over and self._settled

    # What health tells; any thread may ask

    @property
    def known_down(self) -> bool:
        """Returns whether the server could not be reached the last time."""
        return self._rounds.is_down

    @property
    def pending(self) -> int:
        """Returns how many points of this process are on their way."""
        return self._backlog.points if self._rounds.is_eager else 0

    @property
    def bugs(self) -> int:
        """Returns how often something failed here that never should."""
        return self._rounds.bugs

    def oldest_pending_s(self) -> float | None:
        """Returns the age of the oldest point of this process that is on its way, in seconds; None where none is."""
        if not self.pending:
            return None
        oldest_ns = self._rounds.oldest_ns()
        return 0.0 if oldest_ns is None else max(0.0, (self._clock.wall_ns() - oldest_ns) / 1e9)

    def has_delivered(self, segment: str) -> bool:
        """Returns whether InfluxDB is known to have all of a segment, by its name."""
        return self._rounds.has_delivered(segment)

    # The thread

    def _start(self) -> bool:
        """Starts the thread where there is none; returns whether there is one."""
        if self._thread is not None or self._closing or not self._starting.acquire(blocking=False):
            return self._thread is not None
        try:
            self._wanted = True
            now_ns = self._clock.monotonic_ns()
            if now_ns >= self._start_after_ns:
                thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
                try:
                    thread.start()
                    self._thread = thread
                except RuntimeError as error:
                    # The interpreter is going down, or there are too many: `close` delivers on its caller's thread.
                    self._start_after_ns = now_ns + _START_AGAIN_NS
                    self._quiet.warning("thread", "no thread can be started to deliver points: %s", error)
        finally:  # an interruption of the job must not end delivery for good
            self._starting.release()
        return self._thread is not None

    def _run(self) -> None:
        while not self._over:
            if self._driving.acquire(timeout=_AGAIN_S):  # somebody may be delivering on a thread of their own
                self._driver = threading.get_ident()
                untraced(self._ship)

    def _ship(self) -> None:
        while not self._closing:
            try:
                self._turn()
                self._rest()
            except Exception:  # noqa: BLE001 - whatever it is, points must go on being delivered
                self._quiet.bug("turn", "delivering points failed; it is tried again")
                self._idle = False
                self._bell.wait(_AGAIN_S)
        self._finish()

    def _turn(self) -> None:
        if self._retry:
            self._retry = False
            self._rounds.try_now()
        self._rounds.turn(self._go_on, hurry=bool(self._waiters))
        self._waiters.answer(self._rounds.reaches, down=self.known_down, over=False)

    def _rest(self) -> None:
        # The flag goes up before the look: a point that the look does not see is appended by a thread that sees it.
        self._idle = self._rounds.is_eager
        wait_s = self._rounds.wait_s(hurry=bool(self._waiters))
        if self._idle and self._rounds.has_pending():
            self._idle = False
        if wait_s > 0 and not self._closing:
            self._bell.wait(wait_s)
        self._idle = False

    def _finish(self) -> None:
        try:
            if self._wanted:
                self._rounds.finish(self._ends_ns, patient=self._patient)
                self._settled = self._rounds.has_everything()
        except Exception:  # noqa: BLE001 - the process ends; what is not delivered waits in the journal
            self._quiet.bug("finish", "delivering the last points failed")
        finally:
            self._over = True
            self._waiters.answer(self._rounds.reaches, down=self.known_down, over=True)
            self._rounds.close()
            self._over_bell.ring()

    def _go_on(self) -> bool:
        self._waiters.answer(self._rounds.reaches, down=self.known_down, over=False)
        return not self._closing

    # Waiting

    def _known(self, mark: Position, *, unless_down: bool) -> bool | None:
        """Returns whether a mark is reached, where that can be said without waiting."""
        if not self._rounds.is_eager or mark <= (0, 0):
            return True
        if os.getpid() != self._pid:
            return False
        if self._over or self._driver == threading.get_ident():
            return self._rounds.reaches([mark])[0]
        return False if unless_down and self.known_down else None

    def _add_waiter(self, waiter: Waiter) -> Waiter:
        self._waiters.add(waiter)
        self._retry = self._retry or not waiter.unless_down
        self._bell.ring()
        if self._over:  # since it was asked
            self._waiters.answer(self._rounds.reaches, down=self.known_down, over=True)
        return waiter
