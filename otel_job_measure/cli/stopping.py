"""Ends a command that goes on until a signal: at once, with everything cleaned up, and with the right exit code."""

import queue
import signal
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final, NoReturn, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoppedError(BaseException):
    """A signal ended the command."""


class Stopping:
    """A block that a signal ends: SIGINT (Ctrl-C), SIGTERM or SIGHUP. Nothing is raised out of it."""

    def __init__(self) -> None:
        self.exit_code = 0
        """0, also after Ctrl-C, which is how a person ends it; 128 + the signal's number after another signal."""
        self._before: dict[signal.Signals, Any] = {}
        # A signal's handler may put into it at any moment; an event's own lock may be held just then.
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        """Takes the signals."""
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._stop)
        self._before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._resized)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        """Gives the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        return isinstance(error, StoppedError)

    def wait(self, seconds: float) -> None:
        """Waits; it returns early if the terminal's size changes, and a signal leaves the block."""
        with suppress(queue.Empty):
            self._woken.get(timeout=seconds)

    def _resized(self, _number: int, _frame: FrameType | None) -> None:
        self._woken.put(None)

    def _stop(self, number: int, _frame: FrameType | None) -> NoReturn:
        # A second Ctrl-C must not break off what puts the terminal in order.
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        self.exit_code = 0 if number == signal.SIGINT else 128 + number
        raise StoppedError
