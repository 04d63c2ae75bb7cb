"""A bell that may be rung from anywhere, a signal handler and the garbage collector included."""

import contextlib
import threading
from typing import Final

_MOST_S: Final = 3600.0


class Bell:
    """A plain lock that is held while nobody has rung: nothing in it can be waited for but its ringing."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Ends the present wait, or the next one; never waits itself."""
        with contextlib.suppress(RuntimeError):  # it has rung already
            self._lock.release()

    def wait(self, timeout_s: float) -> bool:
        """Waits until the bell is rung.

        Args:
            timeout_s: The longest wait, in seconds.

        Returns:
            Whether it was rung.
        """
        return self._lock.acquire(timeout=min(max(timeout_s, 0.0), _MOST_S))
