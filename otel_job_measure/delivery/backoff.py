"""How long to wait before the next try."""

import random
from collections.abc import Callable
from typing import Final

FIRST_S: Final = 0.5
MOST_S: Final = 60.0
HOLD_S: Final = 60.0
_MOST_ASKED_S: Final = 600.0
_LEAST: Final = 0.1  # of a bound: full jitter alone would now and then not wait at all

Uniform = Callable[[float, float], float]


class Backoff:
    """Waits longer the more often something fails, up to a bound, by chance between almost nothing and that length.

    Args:
        first_s: The bound of the first wait, in seconds; it doubles with each failure.
        most_s: The greatest bound.
        uniform: Gives a number between two by chance. The default asks the system: jobs seed `random`.
    """

    __slots__ = ("_failures", "_first_s", "_most_s", "_uniform")

    def __init__(self, *, first_s: float = FIRST_S, most_s: float = MOST_S, uniform: Uniform | None = None) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._uniform = uniform or random.SystemRandom().uniform
        self._failures = 0

    def failed(self, asked_s: float | None = None) -> float:
        """Notes a failure and says how long to wait, in seconds.

        Args:
            asked_s: How long the server asked to wait; the wait is at least that long, within ten minutes.
        """
        bound_s = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        wait_s = self._uniform(_LEAST * bound_s, bound_s)
        return wait_s if asked_s is None else min(asked_s, _MOST_ASKED_S) + wait_s

    def held(self) -> float:
        """Says how long to wait where somebody has to set something first: about a minute."""
        return self._uniform(0.9, 1.0) * HOLD_S

    def succeeded(self) -> None:
        """Begins anew: the next wait is a short one."""
        self._failures = 0
