"""Lines that a server refuses for a reason that only it knows: the lines can be at fault, or the request.

A line becomes a dead letter only if the server accepts another line of the same batch, then refuses this one alone,
twice, and then accepts the other one again. Without an accepted line nothing can be told, and the batch is held.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

_MOST_SAMPLES: Final = 8
_MOST_CONFIRMED: Final = 16  # in one round: the fewer, the less can change in between


class Role(Enum):
    """Why a part is sent."""

    NEW = "new"
    """It is not known to be good or bad."""
    NAMED = "named"
    """The server named these lines."""
    AGAIN = "again"
    """It is a single line that was refused before."""
    WITNESS = "witness"
    """It is a line that was accepted before; to store it again changes nothing."""


class Part(NamedTuple):
    """Lines that are sent in one request."""

    lines: Sequence[bytes]
    role: Role = Role.NEW
    number: int = -1
    """Its place in a round of confirmation."""


class Doubts:
    """The lines of a batch that were refused alone, and what is known of the server; `todo` is the batch's stack."""

    def __init__(self, todo: list[Part]) -> None:
        self._todo = todo
        self._suspects: list[tuple[bytes, str]] = []
        self._round: dict[int, tuple[bytes, str]] = {}
        self._witness: bytes | None = None
        self._is_witness_good = False
        self._walked = False
        self._samples = 0

    def begin(self) -> None:
        """Begins a call: it may take some samples."""
        self._samples = 0

    def accepted(self, line: bytes) -> None:
        """Notes that the server accepted a line."""
        self._witness, self._is_witness_good = line, True

    def refused(self, part: Part, message: str) -> bool:
        """Takes a refused part on; returns False if nothing can be told."""
        if part.role is Role.AGAIN:
            return True
        lines = part.lines
        if len(lines) == 1:
            self._suspects.append((lines[0], message))
            self._walked = True
        elif self._is_witness_good or not self._walked:
            middle = len(lines) // 2
            self._todo += [Part(lines[middle:]), Part(lines[:middle])]
        else:
            self._todo.append(Part(lines))
        return self._is_witness_good or not self._walked or self._sample()

    def confirm(self) -> bool:
        """Begins a round in which suspects are sent again; returns whether there is something to send."""
        if not self._suspects or self._witness is None:
            return False
        chosen, self._suspects = self._suspects[:_MOST_CONFIRMED], self._suspects[_MOST_CONFIRMED:]
        self._round = dict(enumerate(chosen))
        witness = Part([self._witness], Role.WITNESS)
        twice = [Part([line], Role.AGAIN, number) for number, (line, _) in enumerate(chosen) for _ in range(2)]
        self._todo += [witness, *twice, witness]
        return True

    def clear(self, part: Part) -> None:
        """Takes a line out of a round: it was accepted, or refused with words that are known."""
        self._round.pop(part.number, None)
        if self._todo and self._todo[-1].role is Role.AGAIN and self._todo[-1].number == part.number:
            self._todo.pop()

    def witnessed(self, *, accepted: bool) -> list[tuple[bytes, str]] | None:
        """Returns the lines that a round has confirmed as refused; None if the server refuses the witness now."""
        if not accepted:
            return None
        self._is_witness_good = True
        if self._todo and self._todo[-1].role is Role.AGAIN:
            return []
        confirmed, self._round = list(self._round.values()), {}
        return confirmed

    def interrupt(self) -> None:
        """Ends a round without a result."""
        self._suspects += self._round.values()
        self._round = {}
        self._todo[:] = [part for part in self._todo if part.role in (Role.NEW, Role.NAMED)]

    def hold(self) -> None:
        """Puts all lines together that are left; they are tried again after a line that was accepted before."""
        self.interrupt()
        rest = [line for part in self._todo for line in part.lines] + [line for line, _ in self._suspects]
        self._todo[:] = [Part(rest)] if rest else []
        self._suspects = []
        self._is_witness_good = False
        if self._witness is not None:
            self._todo.append(Part([self._witness], Role.WITNESS))

    def _sample(self) -> bool:
        """Lets a single line of the largest part be sent next; returns False if there were enough."""
        if not self._todo or self._samples >= _MOST_SAMPLES:
            return False
        self._samples += 1
        largest = max(range(len(self._todo)), key=lambda at: len(self._todo[at].lines))
        lines = self._todo.pop(largest).lines
        # Not the middle: the kinds of lines can alternate.
        at = (len(lines) * 618 // 1000 + self._samples) % len(lines)
        parts = [lines[at + 1 :], lines[:at], [lines[at]]]
        self._todo += [Part(part) for part in parts if len(part)]
        return True
