"""What a journal writes to: files in a slot, or memory."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from otel_job_measure.journal.interfaces import Position, Segment


class Store(Protocol):
    """Where the lines of one living journal are kept. Its caller sees to it that one thread at a time writes."""

    @property
    def slot(self) -> int:
        """Returns the last three digits of this store's times; it changes when the store has to move."""
        ...

    def write(self, data: bytes) -> bool:
        """Appends whole lines in one write.

        Returns:
            Whether the segment is full, or the slot may be another one now.

        Raises:
            OSError: Nothing of them is in the store.
        """
        ...

    def rotate_if_full(self) -> None:
        """Begins a new segment, with the start lines of the open runs, where the present one is full.

        Raises:
            OSError: None can be begun; the present one goes on.
        """
        ...

    def move(self, last_ns: int) -> None:
        """Goes on in another slot: the wall clock was set back behind the last time that this one gave.

        Raises:
            OSError: There is none.
        """
        ...

    def check(self) -> None:
        """Makes sure that what is held is still held: the lock, the descriptors."""
        ...

    def tail(self) -> Position:
        """Returns the place after everything that was written."""
        ...

    def own(self) -> Sequence[Segment]:
        """Returns the store's segments, oldest first; the last one is still being written."""
        ...

    def left(self) -> AbstractContextManager[Iterable[Sequence[Segment]] | None]:
        """Gives what others left, some at a time, or None where another process sees to it."""
        ...

    def adopt(self) -> None:
        """Closes the runs of those who are gone."""
        ...

    def deleted(self) -> Sequence[Segment]:
        """Returns the segments that a bound has taken away."""
        ...

    def release(self, segment: Segment) -> bool:
        """Lets go of a segment that every sink has; returns whether its bytes may be deleted."""
        ...

    def close(self, *, delivered: bool) -> None:
        """Gives everything back; what no sink is known to have is kept for others to find."""
        ...

    def abandon(self) -> None:
        """Closes, in a forked child, the parent's descriptors, and nothing else."""
        ...
