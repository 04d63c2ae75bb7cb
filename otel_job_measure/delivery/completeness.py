"""Up to when a server has everything that one process sends, by what its delivery loop has seen."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from otel_job_measure.journal.interfaces import Segment

_MARGIN_NS: Final = 2_000_000_000
"""A run takes its timestamp before its point is appended, and journals' clocks may be a second behind."""

Waiting = tuple[Segment, int]
"""A segment, and how many of its bytes the server lacks."""


class Word(NamedTuple):
    """What a sender says of itself."""

    until_ns: int
    """Everything up to then is at the server; ns since 1970."""
    pending: int
    """How many bytes of lines wait."""


class Completeness:
    """Remembers the last look at which nothing waited, for the own segments and for those that others left.

    A time is that before the look: what is written meanwhile does not count as seen. Of a segment that waits, all lines
    are later than its beginning. With `speaks_for_all`, the segments of other processes count although another process
    may be sending some of them now.
    """

    def __init__(self, *, speaks_for_all: bool) -> None:
        self._speaks_for_all = speaks_for_all
        self._own_ns: int | None = None
        self._own_pending = 0
        self._left_ns: int | None = 0 if speaks_for_all else None
        self._left_pending = 0

    def own(self, now_ns: int, waiting: Iterable[Waiting], *, is_all: bool) -> None:
        """Notes a look at the own segments; unless `is_all`, there are points that are in no segment yet."""
        first_ns, self._own_pending = _first(waiting, now_ns)
        if is_all and first_ns == now_ns:
            self._own_ns = now_ns
        elif self._own_ns is None:
            self._own_ns = first_ns if is_all else 0

    def left(self, now_ns: int, waiting: Iterable[Waiting], *, is_all: bool) -> None:
        """Notes a look at the segments of other processes; unless `is_all`, the look ended early."""
        first_ns, self._left_pending = _first(waiting, now_ns)
        if first_ns < now_ns:  # perhaps of a process that died since the last look, with older lines than that
            self._left_ns = min(first_ns, self._left_ns or first_ns)
        elif is_all:
            self._left_ns = now_ns

    def left_to_another(self) -> None:
        """Notes that another process sends the segments of others, and speaks for them."""
        if not self._speaks_for_all:
            self._left_ns, self._left_pending = None, 0

    def word(self, *, is_last: bool = False) -> Word:
        """Returns what can be said now; after the last word, this process writes nothing more."""
        until_ns = self._own_ns or 0
        if self._left_ns is not None:
            until_ns = min(until_ns, self._left_ns)
        margin_ns = 0 if is_last else _MARGIN_NS
        return Word(max(0, until_ns - margin_ns), self._own_pending + self._left_pending)


def _first(waiting: Iterable[Waiting], now_ns: int) -> tuple[int, int]:
    """Returns when the oldest waiting segment began, `now_ns` if there is none, and how many bytes wait."""
    first_ns, pending = now_ns, 0
    for segment, size in waiting:
        if size > 0:
            first_ns, pending = min(first_ns, segment.header.created_ns), pending + size
    return first_ns, pending
