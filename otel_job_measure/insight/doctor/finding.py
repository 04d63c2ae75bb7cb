"""What the doctor found, and how long it may look."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

OK: Final = 0
WARNING: Final = 1
PROBLEM: Final = 2
WORDS: Final = ("ok", "warning", "problem")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Args:
        check: Which one: `server.clock` and the like, of docs/doctor.md.
        level: `OK`, `WARNING` or `PROBLEM`.
        text: What was found, in a sentence.
        advice: What to do about it; empty if there is nothing to do.
        facts: Numbers and names for programs.
    """

    check: str
    level: int = OK
    text: str
    advice: str = ""
    facts: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def area(self) -> str:
        """The area that it belongs to."""
        return self.check.partition(".")[0]


class Budget:
    """How much time is left.

    Args:
        seconds: For everything.
        monotonic: Returns the time in seconds.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ends_s = monotonic() + seconds

    def left_s(self) -> float:
        """Returns the seconds that are left, at least a tenth."""
        return max(0.1, self._ends_s - self._monotonic())


def size(count: float) -> str:
    """Returns a number of bytes for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:  # noqa: PLR2004 - by definition
            return f"{count:.3g} {unit}" if unit != "bytes" else f"{count:.0f} bytes"
        count /= 1024
    return f"{count:.4g} TiB"


def span(seconds: float) -> str:
    """Returns a time for people, in its greatest unit."""
    for unit, length_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"  # noqa: PLR2004 - two digits are enough


def number(count: int, what: str) -> str:
    """Returns a number with its noun."""
    return f"{count} {what}{'' if count == 1 else 'es' if what.endswith('s') else 's'}"
