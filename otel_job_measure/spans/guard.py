"""The guard at each entrance from the job's world: what fails on our side never reaches the job."""

import contextlib
import itertools
import logging
from types import TracebackType
from typing import Final

from otel_job_measure.clock import Clock, SystemClock

_logger = logging.getLogger(__name__)
_MINUTE_NS: Final = 60_000_000_000


class Guard:
    """Holds back any `Exception` from the block it is around, counts it, and logs it at most once a minute.

    It can be entered by many threads at once, and again inside itself. A BaseException that is no `Exception` goes
    through: it was meant for the job, and only happened to arrive in our code.

    Args:
        what: What could not be done, for the log: `recording a start`.
        clock: The machine's clocks.
    """

    __slots__ = ("_clock", "_count", "_logged_count", "_logged_ns", "_numbers", "what")

    def __init__(self, what: str, clock: Clock) -> None:
        self.what = what
        self._clock = clock
        self._numbers = itertools.count(1)  # one step of it is never torn apart, and needs no lock
        self._count = 0
        self._logged_count = 0
        self._logged_ns: int | None = None

    @property
    def count(self) -> int:
        """Returns how often something failed here."""
        return self._count

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        self.caught(error)
        return True

    def caught(self, error: Exception) -> None:
        """Counts and logs what was held back, for those few places where even entering a block costs too much.

        Args:
            error: What was raised.
        """
        # A handler of the app's log may raise too.
        with contextlib.suppress(Exception):
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        self._count = count = next(self._numbers)
        now = self._clock.monotonic_ns()
        if self._logged_ns is not None and now - self._logged_ns < _MINUTE_NS:
            return
        since, self._logged_count, self._logged_ns = count - self._logged_count, count, now
        _logger.error(
            "%s failed (%d times since this was last said); the job goes on", self.what, since, exc_info=error
        )


class Guards:
    """The guards of one `JobMeasure`, one a kind.

    Args:
        clock: The machine's clocks; their monotonic one bounds how often a kind is logged.
    """

    __slots__ = ("_by_kind", "_clock")

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._by_kind: dict[str, Guard] = {}

    def __call__(self, what: str) -> Guard:
        """Gives the guard of one kind.

        Args:
            what: What could not be done where it catches something, as the log says it.

        Returns:
            Always the same one for the same words.
        """
        return self._by_kind.setdefault(what, Guard(what, self._clock))

    def counts(self) -> dict[str, int]:
        """Returns how often what has failed, without what never has."""
        return {what: guard.count for what, guard in list(self._by_kind.items()) if guard.count}
