"""The guard at each entrance from the job's world: a failure of the package never reaches the job."""

import contextlib
import itertools
import logging
from collections import deque
from types import TracebackType
from typing import Final

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.rate_limited_log import RateLimitedLog

_logger = logging.getLogger(__name__)
_MOST_KEPT: Final = 64


class Guard:
    """Suppresses any `Exception` of the block that it surrounds, counts it, and logs it at most once a minute.

    Many threads can enter it at once, and again inside itself. Any other BaseException passes: it was meant for the
    job, and only happened to arrive in our code.
    """

    __slots__ = ("_count", "_log", "_logged_count", "_numbers", "_what", "keep", "kept")

    def __init__(self, what: str, log: RateLimitedLog) -> None:
        self._what = what
        self._log = log
        self._numbers = itertools.count(1)  # `next` is one step and needs no lock
        self._count = self._logged_count = 0
        self.kept: deque[Exception] = deque(maxlen=_MOST_KEPT)
        self.keep = self.kept.append
        """Remembers an exception for `tell_kept`: it needs no memory and no room on the stack, unlike `caught`."""

    @property
    def count(self) -> int:
        """How many exceptions the guard has caught."""
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
        """Counts and logs an exception; for the few places where entering a block costs too much."""
        with contextlib.suppress(Exception):  # a handler of the app's log may raise
            self._count = count = next(self._numbers)
            since = count - self._logged_count
            often = "" if since == 1 else f" {since} times since this was last logged"
            if self._log.bug(self._what, "%s failed%s; the job goes on", self._what, often, error=error):
                self._logged_count = count

    def tell_kept(self) -> None:
        """Counts and logs what `keep` has remembered."""
        while self.kept:
            self.caught(self.kept.popleft())


class Guards:
    """The guards of one `JobMeasure`, one for each kind of step."""

    __slots__ = ("_by_kind", "_log")

    def __init__(self, clock: Clock | None = None) -> None:
        self._log = RateLimitedLog(_logger, clock or SystemClock())
        self._by_kind: dict[str, Guard] = {}

    def __call__(self, what: str) -> Guard:
        """Returns the guard of a kind of step, as `recording a start`; always the same one for the same words."""
        return self._by_kind.setdefault(what, Guard(what, self._log))

    def counts(self) -> dict[str, int]:
        """Returns how often each kind has failed, without those that never have."""
        return {what: guard.count for what, guard in list(self._by_kind.items()) if guard.count}
