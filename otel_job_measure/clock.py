"""The interface of clocks, which are passed in so that no test patches one."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of wall time and monotonic time."""

    def wall_ns(self) -> int:
        """Returns nanoseconds since 1970; it follows the machine's clock, which can be set back."""
        ...

    def monotonic_ns(self) -> int:
        """Returns nanoseconds since a fixed moment; it never goes back."""
        ...


class SystemClock:
    """The clocks of the machine."""

    __slots__ = ()

    wall_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)
