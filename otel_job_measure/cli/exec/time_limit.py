"""The time limit of a command, with the signals and exit codes of GNU timeout."""

import signal
import time
from collections.abc import Callable, Sequence
from typing import Final

EXCEEDED: Final = 124
"""The exit code if the limit ended the command."""
KILLED: Final = 128 + signal.SIGKILL
"""The exit code if the command had to be killed."""
MOST_S: Final = 366 * 86_400.0


class TimeLimit:
    """Tells when a command that has just started is to get which signals; 0 means never.

    Args:
        after_s: After how long the command gets SIGTERM, and SIGCONT in case it is stopped.
        kill_after_s: How long after that it gets SIGKILL.
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, after_s: float, kill_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_exceeded = False
        self._clock = clock
        self._kill_after_s = kill_after_s
        self._next: tuple[float, Sequence[signal.Signals]] | None = None
        if after_s:
            self._next = clock() + after_s, (signal.SIGTERM, signal.SIGCONT)

    def wait_s(self, most: float) -> float:
        """Returns how long nothing is to be done, in seconds and at most `most`."""
        return most if self._next is None else max(0.0, min(most, self._next[0] - self._clock()))

    def due(self) -> Sequence[signal.Signals]:
        """Returns the signals that the command is to get now."""
        if self._next is None or self._clock() < self._next[0]:
            return ()
        signals = self._next[1]
        self._next = None
        if not self.is_exceeded and self._kill_after_s:
            self._next = self._clock() + self._kill_after_s, (signal.SIGKILL,)
        self.is_exceeded = True
        return signals
