"""The waits after failed writes."""

import random
from collections.abc import Callable
from typing import Final

_FIRST_WAIT_S: Final = 0.5
_MOST_WAIT_S: Final = 60.0
_MOST_ASKED_S: Final = 600.0
_LEAST: Final = 0.1  # of a bound: full jitter alone would sometimes not wait at all

Uniform = Callable[[float, float], float]


class Backoff:
    """Waits after failures: the bound doubles up to a minute, and the wait is random between a tenth of it and it.

    The default randomness is the system's, because jobs seed `random`.
    """

    __slots__ = ("_failures", "_uniform")

    def __init__(self, *, uniform: Uniform | None = None) -> None:
        self._uniform = uniform or random.SystemRandom().uniform
        self._failures = 0

    def failed(self, asked_s: float | None = None) -> float:
        """Returns the seconds to wait after one more failure, at least those the server asked for, up to 10 min."""
        bound_s = min(_MOST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(self._failures, 32))
        self._failures += 1
        wait_s = self._uniform(_LEAST * bound_s, bound_s)
        return wait_s if asked_s is None else min(asked_s, _MOST_ASKED_S) + wait_s

    def held(self) -> float:
        """Returns the seconds to wait while delivery is blocked by the configuration: about a minute."""
        return self._uniform(0.9, 1.0) * _MOST_WAIT_S

    def succeeded(self) -> None:
        """Makes the next wait a short one."""
        self._failures = 0
