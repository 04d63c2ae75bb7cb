"""The threads and tasks that wait for delivery, and the bell that ends a wait."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Final

from otel_job_measure.journal.interfaces import Position

_MOST_S: Final = 3600.0


class Bell:
    """A lock that is released by ringing; a signal handler and the garbage collector may ring it."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Ends the present wait, or the next one, without waiting."""
        with contextlib.suppress(RuntimeError):  # it has rung already
            self._lock.release()

    def wait(self, timeout_s: float) -> bool:
        """Waits for a ring, for some seconds at most; returns whether it rang."""
        return self._lock.acquire(timeout=min(max(timeout_s, 0.0), _MOST_S))


class Waiter:
    """One wait for a position; `tell` ends it, on another thread and once.

    With `unless_down` it also ends if the server is known to be down.
    """

    __slots__ = ("mark", "reached", "tell", "unless_down")

    def __init__(self, mark: Position, tell: Callable[[], None], *, unless_down: bool) -> None:
        self.mark = mark
        self.unless_down = unless_down
        self.tell = tell
        self.reached = False


class FlushWaiters:
    """All waits of a shipper. It needs no lock: each change of the list is one step."""

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: list[Waiter] = []

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, waiter: Waiter) -> None:
        """Adds a wait."""
        self._all.append(waiter)

    def remove(self, waiter: Waiter) -> None:
        """Removes a wait that timed out."""
        with contextlib.suppress(ValueError):  # it has ended meanwhile
            self._all.remove(waiter)

    def answer(self, reaches: Callable[[Sequence[Position]], Sequence[bool]], *, down: bool, over: bool) -> None:
        """Ends each wait whose position is reached, and with `over` all waits."""
        waiters = list(self._all)
        if not waiters:
            return
        for waiter, reached in zip(waiters, reaches([waiter.mark for waiter in waiters]), strict=True):
            if reached or over or (down and waiter.unless_down):
                waiter.reached = reached
                self.remove(waiter)
                waiter.tell()
