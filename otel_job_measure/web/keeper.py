"""The last known answer, refreshed behind: one look at the store serves every browser, and no request waits for it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from otel_job_measure.clock import Clock
from otel_job_measure.web.faults import told

_T = TypeVar("_T")
_LEAST_S: Final = 5.0
"""A look begins so long after the one before, while somebody looks."""
_LEAST_IDLE_S: Final = 60.0
_PART, _PART_IDLE = 4, 40
"""And it takes at most such a part of the time."""
_WATCHED_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Generic[_T]):
    """What is known.

    Args:
        value: The last answer; None before the first one.
        at_ns: When it was asked for, in ns since 1970.
        trouble: Why the last look failed; empty if it did not.
        number: Each look has a greater one.
        changed: The number of the last look whose answer differed from the one before.
    """

    value: _T | None = None
    at_ns: int = 0
    trouble: str = ""
    number: int = 0
    changed: int = 0


class Keeper(Generic[_T]):
    """Asks again and again, in a thread of its own.

    Args:
        look: Asks; it may take long, and raise an error of this package.
        clock: The time.
        is_same: Tells whether two answers say the same.
        tell: Is called after each look, in the thread.
    """

    def __init__(
        self,
        look: Callable[[], _T],
        clock: Clock,
        is_same: Callable[[_T, _T], bool],
        tell: Callable[[Kept[_T]], None],
    ) -> None:
        self._look = look
        self._clock = clock
        self._is_same = is_same
        self._tell = tell
        self._kept: Kept[_T] = Kept()
        self._wake = threading.Event()
        self._stops = False
        self._watched_ns = clock.monotonic_ns()
        self._thread = threading.Thread(target=self._work, name="otel-job-measure-web", daemon=True)

    @property
    def kept(self) -> Kept[_T]:
        """What is known now."""
        return self._kept

    def start(self) -> None:
        """Begins with the first look."""
        self._thread.start()

    def stop(self) -> None:
        """Makes no further look; one that goes on is not waited for."""
        self._stops = True
        self._wake.set()

    def watch(self) -> None:
        """Notes that somebody looks."""
        now_ns = self._clock.monotonic_ns()
        was_idle = now_ns - self._watched_ns > _WATCHED_S * 1e9
        self._watched_ns = now_ns
        if was_idle:
            self._wake.set()

    def _work(self) -> None:
        while not self._stops:
            began_ns = self._clock.monotonic_ns()
            self._once()
            took_s = (self._clock.monotonic_ns() - began_ns) / 1e9
            is_watched = self._clock.monotonic_ns() - self._watched_ns <= _WATCHED_S * 1e9
            least_s, part = (_LEAST_S, _PART) if is_watched else (_LEAST_IDLE_S, _PART_IDLE)
            self._wake.wait(max(least_s, part * took_s))
            self._wake.clear()

    def _once(self) -> None:
        before, at_ns = self._kept, self._clock.wall_ns()
        number = before.number + 1
        try:
            value = self._look()
        except Exception as error:  # noqa: BLE001 - the page shows what is the matter, whatever it is
            trouble = told(error)
            changed = number if trouble != before.trouble else before.changed
            self._kept = replace(before, trouble=trouble, number=number, changed=changed)
        else:
            is_same = not before.trouble and before.value is not None and self._is_same(before.value, value)
            self._kept = Kept(value=value, at_ns=at_ns, number=number, changed=before.changed if is_same else number)
        self._tell(self._kept)
