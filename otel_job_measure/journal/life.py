"""What a journal has in one process."""

import os
import threading
from collections import deque
from typing import NamedTuple

from otel_job_measure.journal.interfaces import Store
from otel_job_measure.journal.unique_clock import UniqueClock

Item = tuple[bytes, int, str | None, str | None]
"""Lines, how many points they are, and the uuid of the run that they begin or end. A plain tuple: one a point."""


class Handle(NamedTuple):
    """A store and the clock that gives its slot's timestamps; they change together."""

    store: Store
    clock: UniqueClock


class Life:
    """What a journal has in one process. A child of fork has another: all in here is its parent's."""

    __slots__ = (
        "handle",
        "heartbeat_ns",
        "is_behind",
        "is_draining",
        "is_opening",
        "lock",
        "messages",
        "open_runs",
        "pid",
        "queue",
    )

    def __init__(self, now_ns: int) -> None:
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.is_behind = False
        """Whether the last append failed."""
        self.is_draining = False
        self.is_opening = False
        self.handle: Handle | None = None
        self.queue: deque[Item] = deque()
        """What waits to be appended."""
        self.open_runs: dict[str, bytes] = {}
        """What a new segment begins with: the start line of each open run, and the comment of each held one."""
        self.heartbeat_ns = now_ns
        self.messages: deque[tuple[int, str, str]] = deque(maxlen=8)
        """What to log when no lock is held."""

    @property
    def behind(self) -> int:
        """Returns how many appends wait because the last one failed; one that is just being written is none."""
        return len(self.queue) if self.is_behind else 0

    def give_up(self) -> list[Item]:
        """Takes what could not be written out of the queue; the history will lack it.

        What another thread is just writing stays: sent around the segment, its run would stay open there.
        """
        if self.behind and self.handle is not None:
            self.handle.store.behind(self.behind, is_lost=True)
        return [self.queue.popleft() for _ in range(self.behind)]
