"""Wakes everything that waits for the next look."""

import asyncio
from contextlib import suppress


class Bell:
    """Is rung by another thread, and heard by any number of coroutines."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Wakes all that wait now; callable from every thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the server has ended meanwhile
                self._loop.call_soon_threadsafe(self._ring)

    async def wait(self, timeout_s: float) -> None:
        """Returns at the next ring, or after a time."""
        self._loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._next.wait(), timeout_s)

    def _ring(self) -> None:
        rung, self._next = self._next, asyncio.Event()
        rung.set()
