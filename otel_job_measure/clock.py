"""The clocks that everything here is given, so that no test has to patch one."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where times and waits come from."""

    def wall_ns(self) -> int:
        """Returns nanoseconds since 1970, as the machine has it; it can step."""
        ...

    def monotonic_ns(self) -> int:
        """Returns nanoseconds since some fixed moment; it never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    wall_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)
