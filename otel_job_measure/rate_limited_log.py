"""Logging of text from outside: printable and short, and at a bounded rate, each kind at most once a minute."""

import logging
from pathlib import PurePath
from typing import Any, Final, Literal

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.printable import brief

EVERY_S: Final = 60.0
_MOST_CHARS: Final = 4000
_MOST_KINDS: Final = 4096


class PrintableLog(logging.LoggerAdapter[logging.Logger]):
    """A logger that shows paths, names and errors of other people's choice printable, and not longer than a path."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logger)

    def log(self, level: int, msg: object, *args: object, **how: Any) -> None:  # noqa: ANN401 - the library's
        """Logs a message of a level; the other methods come here too."""
        if self.isEnabledFor(level):
            how.setdefault("stacklevel", 2)
            self.logger.log(level, msg, *map(_safe, args), **how)


class RateLimitedLog:
    """A logger with a bounded rate for each kind of message; its methods return whether they logged."""

    __slots__ = ("_clock", "_every_ns", "_last_ns", "_log")

    def __init__(self, log: logging.Logger | PrintableLog, clock: Clock, *, every_s: float = EVERY_S) -> None:
        self._log = log
        self._clock = clock
        self._every_ns = int(every_s * 1e9)
        self._last_ns: dict[str, int] = {}

    def warning(self, kind: str, message: str, *values: object) -> bool:
        """Logs a warning, unless one of its kind was logged within the last minute."""
        return self.log(logging.WARNING, kind, message, *values)

    def bug(self, kind: str, message: str, *values: object, error: BaseException | None = None) -> bool:
        """Logs an error of the package with the traceback of `error`, or of the exception that is being handled."""
        return self.log(logging.ERROR, kind, message, *values, error=error or True)

    def log(
        self, level: int, kind: str, message: str, *values: object, error: BaseException | Literal[True] | None = None
    ) -> bool:
        """Logs a message of any level, at the rate of `warning`."""
        now_ns = self._clock.monotonic_ns()
        last_ns = self._last_ns.get(kind)
        if last_ns is not None and now_ns - last_ns < self._every_ns:
            return False
        if len(self._last_ns) >= _MOST_KINDS:  # kinds with names that never repeat, such as those of planted files
            self._last_ns.clear()
        self._last_ns[kind] = now_ns
        self._log.log(level, message, *map(_safe, values), exc_info=error)
        return True


LOG: Final = PrintableLog(logging.getLogger(names.LOGGER))
"""The package's log."""


def once(logger: str = names.LOGGER) -> RateLimitedLog:
    """Returns a log that logs each kind of message once in the life of the process."""
    return RateLimitedLog(logging.getLogger(logger), SystemClock(), every_s=1e9)


def _safe(value: object) -> object:
    """Returns a value without control characters: paths and errors can have those of another program's choice."""
    return brief(str(value), _MOST_CHARS) if isinstance(value, str | PurePath | BaseException) else value
