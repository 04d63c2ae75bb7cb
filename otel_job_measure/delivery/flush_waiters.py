"""Those who wait until points are at their destination."""

import contextlib
from collections.abc import Callable, Sequence

from otel_job_measure.journal.interfaces import Position


class Waiter:
    """Somebody who waits.

    Args:
        mark: What has to be delivered.
        tell: Ends the wait; it is called on another thread, and not more than once.
        unless_down: Whether there is no point in waiting while the server is known to be down.
    """

    __slots__ = ("mark", "reached", "tell", "unless_down")

    def __init__(self, mark: Position, tell: Callable[[], None], *, unless_down: bool) -> None:
        self.mark = mark
        self.unless_down = unless_down
        self.tell = tell
        self.reached = False


class Waiters:
    """All who wait. No lock: lists are exchanged or changed in one step."""

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: list[Waiter] = []

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, waiter: Waiter) -> None:
        """Lets somebody wait."""
        self._all.append(waiter)

    def remove(self, waiter: Waiter) -> None:
        """Ends a wait from the side of who waits."""
        with contextlib.suppress(ValueError):  # it was told meanwhile
            self._all.remove(waiter)

    def answer(self, reaches: Callable[[Sequence[Position]], Sequence[bool]], *, down: bool, over: bool) -> None:
        """Tells those whose wait has ended.

        Args:
            reaches: Says of marks whether they are delivered.
            down: Whether the server is known to be down.
            over: Whether nothing will be delivered any more.
        """
        waiters = list(self._all)
        if not waiters:
            return
        for waiter, reached in zip(waiters, reaches([waiter.mark for waiter in waiters]), strict=True):
            if reached or over or (down and waiter.unless_down):
                waiter.reached = reached
                self.remove(waiter)
                waiter.tell()
