"""The one thread of a process that brings its points to their sinks."""

import contextlib
import os
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from otel_job_measure import forks
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.delivery.backlog import Backlog
from otel_job_measure.delivery.consumer import Consumer
from otel_job_measure.delivery.delivery_loop import DeliveryLoop
from otel_job_measure.delivery.flush_waiters import Bell, FlushWaiters, Waiter
from otel_job_measure.delivery.suppress_tracing import untraced
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Position, Source
from otel_job_measure.rate_limited_log import LOG, RateLimitedLog

if TYPE_CHECKING:
    from otel_job_measure.delivery.presence import Presence


THREAD_NAME: Final = "otel-job-measure"
_AGAIN_S: Final = 1.0
_MOST_S: Final = 3600.0
_START_AGAIN_NS: Final = 1_000_000_000


class Shipper:
    """Sends the points of one journal in one process, and those of dead processes.

    The first point starts its thread. In a child of fork the parent's shipper does nothing: the child has its own.
    Positions count as reached if the eager sinks reached them. Without `drops` another process deletes the segments.
    """

    def __init__(  # noqa: PLR0913 - the parts of one machine
        self,
        source: Source,
        consumers: Sequence[Consumer],
        counters: Counters,
        *,
        presence: "Presence | None" = None,
        clock: Clock | None = None,
        drops: bool = True,
    ) -> None:
        self._clock = clock or SystemClock()
        self._bell = Bell()
        self._backlog = Backlog(counters)
        self._loop = DeliveryLoop(
            source,
            consumers,
            presence=presence,
            backlog=self._backlog,
            clock=self._clock,
            drops=drops,
            pause=self._bell.wait,
        )
        self._limited_log = RateLimitedLog(LOG, self._clock)
        self._waiters = FlushWaiters()
        self._pid = os.getpid()
        # Tried, never waited for.
        self._starting = threading.Lock()
        self._driving = threading.Lock()
        self._closed_once = threading.Lock()
        # Held until the shipper is over: `close` waits for it.
        self._running = threading.Lock()
        self._running.acquire()
        self._thread: threading.Thread | None = None
        self._driver: int | None = None
        self._idle = False
        self._retry = False
        self._collects = False
        self._wanted = False
        self._start_after_ns = 0
        self._closing = False
        self._deadline_ns = 0
        self._patient = False
        self._over = False
        self._settled = False

    # For the job's thread

    def wake(self) -> None:
        """Notes that a point was appended; it may be called anywhere and is almost free while points flow."""
        if self._idle:
            self._idle = False
            self._bell.ring()
        elif self._thread is None:
            self._start()

    def collect(self) -> None:
        """Has the segments that other processes have left sent now."""
        self._collects = True
        if self._start():
            self._idle = False
            self._bell.ring()

    def wait_for(self, mark: Position, timeout_s: float, *, unless_down: bool = False) -> bool:
        """Waits until everything before a position is settled; returns whether it is.

        The server is tried at once, except with `unless_down` while it is known to be down. Without a thread the
        result is False: `close` sends the points.
        """
        known = self._known(mark, unless_down=unless_down)
        if known is not None or not self._start():
            return known is True
        bell = Bell()
        waiter = self._add_waiter(Waiter(mark, bell.ring, unless_down=unless_down))
        try:
            bell.wait(timeout_s)
        finally:
            self._waiters.remove(waiter)
        return waiter.reached

    async def wait_for_async(self, mark: Position, timeout_s: float, *, unless_down: bool = False) -> bool:
        """Waits like `wait_for` in the running event loop of asyncio, without blocking it."""
        import asyncio  # noqa: PLC0415 - loaded wherever a loop runs; other processes need not load it

        known = self._known(mark, unless_down=unless_down)
        if known is not None or not self._start():
            return known is True
        loop, told = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits any more
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
        """Sends what this process still has and ends the thread; a second call waits for the first.

        With `dies_with_process` a failure does not end the attempt, because unsent points are lost. Returns whether
        the segments of this process can be deleted.
        """
        if os.getpid() != self._pid:
            return False
        if self._closed_once.acquire(blocking=False):
            self._deadline_ns = self._clock.monotonic_ns() + int(timeout_s * 1e9)
            self._patient = dies_with_process
            self._closing = True
            self._bell.ring()
            if self._driving.acquire(blocking=False):  # there is no thread
                self._driver = threading.get_ident()
                untraced(self._finish)
        wait_s = min(max(timeout_s, 0.0), _MOST_S)
        if not self._over and self._driver != threading.get_ident() and self._running.acquire(timeout=wait_s):
            self._running.release()
        return self._over and self._settled

    # For health; any thread may ask

    @property
    def known_down(self) -> bool:
        """Returns whether the last write to the server failed."""
        return self._loop.is_down

    @property
    def pending(self) -> int:
        """Returns how many points of this process the server lacks."""
        return self._backlog.points if self._loop.is_eager else 0

    @property
    def bugs(self) -> int:
        """Returns the number of failures here that a bug caused."""
        return self._loop.bugs

    def oldest_pending_s(self) -> float | None:
        """Returns the age of the oldest pending point of this process, in seconds; None if there is none."""
        if not self.pending:
            return None
        oldest_ns = self._loop.oldest_ns()
        return 0.0 if oldest_ns is None else max(0.0, (self._clock.wall_ns() - oldest_ns) / 1e9)

    def has_delivered(self, segment: str) -> bool:
        """Returns whether the server is known to have a whole segment, by its name."""
        return self._loop.has_delivered(segment)

    def has_recorded(self, segment: str, size: int) -> bool:
        """Returns whether the history, if there is one, has so many bytes of a segment, by its name."""
        return self._loop.has_recorded(segment, size)

    # The thread

    def _start(self) -> bool:
        """Starts the thread if there is none; returns whether there is one."""
        if self._thread is not None or self._closing or not self._starting.acquire(blocking=False):
            return self._thread is not None
        try:
            self._wanted = True
            now_ns = self._clock.monotonic_ns()
            if now_ns >= self._start_after_ns and not forks.is_forked_by_uwsgi():
                thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
                try:
                    _warn_without_threads()
                    thread.start()
                    self._thread = thread
                except RuntimeError as error:  # the interpreter is going down, or there are too many threads
                    self._start_after_ns = now_ns + _START_AGAIN_NS
                    self._limited_log.warning("thread", "no thread can be started to deliver points: %s", error)
        finally:  # an interruption of the job must not end delivery for good
            self._starting.release()
        return self._thread is not None

    def _run(self) -> None:
        if self._driving.acquire(blocking=False):  # else `close` delivers on its own thread
            self._driver = threading.get_ident()
            untraced(self._ship)

    def _ship(self) -> None:
        while not self._closing:
            try:
                self._turn()
                self._rest()
            except Exception:  # noqa: BLE001 - delivery must go on after any failure
                self._limited_log.bug("turn", "delivering points failed; it is tried again")
                self._idle = False
                self._bell.wait(_AGAIN_S)
        self._finish()

    def _turn(self) -> None:
        if self._retry:
            self._retry = False
            self._loop.try_now()
        if self._collects:
            self._collects = False
            self._loop.collect()
        self._loop.turn(self._go_on, hurry=bool(self._waiters))
        self._answer_waiters()

    def _rest(self) -> None:
        # The flag is set before the check: the thread that appends a point after the check sees the flag.
        self._idle = self._loop.is_eager
        wait_s = self._loop.wait_s(hurry=bool(self._waiters))
        if self._idle and self._loop.has_pending():
            self._idle = False
        if wait_s > 0 and not self._closing:
            self._bell.wait(wait_s)
        self._idle = False

    def _finish(self) -> None:
        try:
            if self._wanted:
                self._loop.finish(self._deadline_ns, patient=self._patient)
                self._settled = self._loop.has_everything()
        except Exception:  # noqa: BLE001 - the process ends; undelivered points wait in the journal
            self._limited_log.bug("finish", "delivering the last points failed")
        finally:
            self._over = True
            self._answer_waiters()
            self._loop.close()
            self._running.release()

    def _go_on(self) -> bool:
        self._answer_waiters()
        return not self._closing

    # Waiting

    def _answer_waiters(self) -> None:
        self._waiters.answer(self._loop.reaches, down=self.known_down, over=self._over)

    def _known(self, mark: Position, *, unless_down: bool) -> bool | None:
        """Returns whether a position is reached, or None if the caller has to wait."""
        if not self._loop.is_eager or mark <= (0, 0):
            return True
        if os.getpid() != self._pid:
            return False
        if self._over or self._driver == threading.get_ident():
            return self._loop.reaches([mark])[0]
        return False if unless_down and self.known_down else None

    def _add_waiter(self, waiter: Waiter) -> Waiter:
        self._waiters.add(waiter)
        self._retry = self._retry or not waiter.unless_down
        self._bell.ring()
        if self._over:  # since it was asked
            self._answer_waiters()
        return waiter


def _warn_without_threads() -> None:
    """Warns in a worker of uWSGI in which threads stand still between requests."""
    if getattr(sys.modules.get("uwsgi"), "has_threads", 1) == 0:
        LOG.warning(
            "uWSGI runs without threads, so points are sent late: start it with --enable-threads, "
            "or have them sent by `otel-job-measure ship`"
        )
