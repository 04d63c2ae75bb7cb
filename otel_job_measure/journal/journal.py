"""The journal: the end of a job's part in its measurement.

A run's points are appended under one lock, a write each, and the job goes on. What cannot be appended now waits in
memory and is tried again. A run may begin or end anywhere, in a signal handler or in the garbage collector too: an
append inside an append of the same thread is queued, and the outer one writes it before it returns.
"""

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Position, Segment
from otel_job_measure.journal.store import Store
from otel_job_measure.journal.unique_clock import UniqueClock

_log = logging.getLogger(names.LOGGER)
_MAX_WAITING = 20_000
_ALIVE_NS = 10_000_000_000
_LOG_NS = 60_000_000_000

OpenStore = Callable[[Mapping[str, bytes], Callable[[str], None]], Store]
"""Makes a store, given the start line of each open run, and where to say what went wrong; it never raises."""


_Item = tuple[bytes, int, str | None, str | None]
"""Lines, how many points they are, and the uuid of the run that they begin or end. A plain tuple: one a point."""


class _Seat(NamedTuple):
    """A store and the clock that gives its slot's times; they change together."""

    store: Store
    clock: UniqueClock


class SegmentJournal:
    """A process's journal for one destination; it is both what jobs append to and what the shipper reads.

    Args:
        open_store: Makes the store at the first point, and again after a fork or a close.
        clock: The machine's clocks.
        counters: Where appended and dropped points are counted.
        host: The host's name, as the rows have it.
    """

    def __init__(self, open_store: OpenStore, *, clock: Clock, counters: Counters, host: str) -> None:
        """Takes nothing yet: the first point does."""
        self.host = host
        self.wake: Callable[[], None] = _nobody
        self._open_store = open_store
        self._clock = clock
        self._counters = counters
        self._begin_life()
        _journals.add(self)
        _hook_forks()

    def _begin_life(self) -> None:
        self._lock = threading.RLock()
        self._draining = False
        self._opening = False
        self._complaints: deque[tuple[int, str]] = deque(maxlen=8)
        self._queue: deque[_Item] = deque()
        self._open: dict[str, bytes] = {}
        self._seat: _Seat | None = None
        self._alive_ns = self._clock.monotonic_ns()
        self._complained_ns = -_LOG_NS

    # What a job waits for

    def stamp(self, *, after_ns: int = 0) -> int:
        """Returns a time that no other point of this state directory has, in ns, at least 1 µs after `after_ns`."""
        return (self._seat or self._take_seat()).clock.stamp(after_ns=after_ns)

    def begin(self, uuid: str, line: bytes) -> None:
        """Appends a run's start line."""
        self._queue.append((line, 1, uuid, None))
        self._drain()

    def finish(self, uuid: str, lines: bytes) -> None:
        """Appends a run's ending: its run row, where there is one, and its old row."""
        self._queue.append((lines, lines.count(b"\n"), None, uuid))
        self._drain()

    def hold(self, uuid: str) -> None:
        """Keeps open a run that another process began: a comment says so, and each new segment repeats it."""
        if uuid not in self._open:
            self._queue.append((b"# holds %s\n" % uuid.encode(), 0, uuid, None))
            self._drain()

    def release(self, uuid: str) -> None:
        """Gives up a run that is open here without ending it."""
        if uuid in self._open or self._queue:
            self._queue.append((b"# released %s\n" % uuid.encode(), 0, None, uuid))
            self._drain()

    def tail(self) -> Position:
        """Returns the place after everything that was appended so far; what waits in memory comes behind it."""
        seat = self._seat
        if seat is None:
            return Position(0, 0)
        mark = seat.store.tail()
        return mark if not self._queue else Position(mark.ordinal, mark.offset + 1)

    @property
    def waiting(self) -> int:
        """Returns how many appends wait in memory because they failed."""
        return len(self._queue)

    # What the shipper's thread does

    def own(self) -> Sequence[Segment]:
        """Returns the segments of this process, oldest first."""
        seat = self._seat
        return () if seat is None else seat.store.own()

    def left(self) -> AbstractContextManager[Iterable[Sequence[Segment]] | None]:
        """Gives what others left in `ready/`, some at a time."""
        return (self._seat or self._take_seat()).store.left()

    def recover(self) -> None:
        """Closes the runs of those who are gone, and sees to `max_bytes`."""
        store = (self._seat or self._take_seat()).store
        store.adopt()
        for segment in store.deleted():
            self.drop(segment)

    def drop(self, segment: Segment) -> None:
        """Deletes a segment that every sink has; never the one that is still being written."""
        seat = self._seat
        if seat is not None:
            with self._lock:
                is_free = seat.store.release(segment)
            if is_free:
                segment.delete()

    def maintain(self) -> None:
        """Tries again what waits, gives a sign of life, and checks the clock and what is held."""
        seat = self._seat
        if seat is None:
            return
        with self._lock:
            if not self._draining:
                seat.store.check()
                self._follow(seat)
        if not seat.clock.correct():
            self._change_slot(seat)
        now_ns = self._clock.monotonic_ns()
        if self._open and now_ns - self._alive_ns >= _ALIVE_NS:
            self._alive_ns = now_ns
            self._queue.append((b"# alive %d\n" % seat.clock.now_ns(), 0, None, None))
        if self._queue:
            self._drain()

    def close(self, *, delivered: bool, until: Position | None = None) -> None:
        """Gives the slot back; a later point takes another.

        Args:
            delivered: Whether every sink has everything that was appended.
            until: How far that was found out, where another thread may have appended something since.
        """
        with self._lock:
            if self._open or self._seat is None or self._draining or self._opening:
                # In a signal handler an append of this very thread may be under way, of a run not yet noted.
                # The slot stays ours while a run of ours is open: else an adopter would end it as lost.
                return
            seat, self._seat = self._seat, None
            is_all = not self._queue and until in (None, seat.store.tail())
            seat.store.close(delivered=delivered and is_all)
        self._complain()

    def forked(self) -> None:
        """Begins anew in a forked child: what the parent has open, waiting and locked is the parent's."""
        seat = self._seat
        self._begin_life()
        self._counters.forked()
        if seat is not None:
            seat.store.abandon()

    # The append

    def _drain(self) -> None:
        with self._lock:
            queue = self._queue
            # A handler that runs between the last look and the end of the block finds no drain and does its own;
            # one that forks leaves its child here, which goes on without what is the parent's.
            while queue and queue is self._queue and not self._draining:
                self._draining = True
                try:
                    self._write_out(queue)
                except OSError as error:
                    if queue is self._queue:
                        self._keep_waiting(queue, error)
                    break
                finally:
                    self._draining = False
        if self._complaints:
            self._complain()
        self.wake()

    def _write_out(self, queue: deque[_Item]) -> None:
        while queue:
            seat = self._seat or self._take_seat()
            data, points, begins, ends = queue[0]
            has_changed = seat.store.write(data)
            if queue is not self._queue:
                return
            # Only now is the run noted: a rotation before would have doubled its start, one after would lose it.
            if begins is not None:
                self._open.setdefault(begins, data)  # a hold of its own run changes nothing
            elif ends is not None:
                self._open.pop(ends, None)
            queue.popleft()
            self._counters.appended += points
            if has_changed:
                self._follow(seat)
                if queue is self._queue:
                    self._rotate(seat.store)

    def _rotate(self, store: Store) -> None:
        try:
            store.rotate_if_full()
        except OSError as error:
            self._complaints.append((logging.WARNING, f"no new segment can be begun, the old one goes on: {error}"))

    def _keep_waiting(self, queue: deque[_Item], error: OSError) -> None:
        while len(queue) > _MAX_WAITING:
            _, points, _, ends = queue.popleft()
            self._counters.dropped(points, "memory")
            if ends is not None:
                self._open.pop(ends, None)
        self._complaints.append((logging.ERROR, f"points cannot be written; {len(queue)} wait in memory: {error}"))

    def _complain(self) -> None:
        """Logs what went wrong, at most once a minute, and never inside the lock.

        A handler of somebody's logging can wait for a thread in which, just then, a run begins.
        """
        if not self._complaints or self._draining or self._opening:
            return
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._complained_ns >= _LOG_NS:
            self._complained_ns = now_ns
            _log.log(*self._complaints.pop())
        self._complaints.clear()

    def _take_seat(self) -> _Seat:
        with self._lock:
            if self._seat is None:
                self._seat = self._opened_seat()
            taken = self._seat
        self._complain()
        return taken

    def _opened_seat(self) -> _Seat:
        queue, self._opening = self._queue, True
        try:
            store = self._open_store(self._open, lambda words: self._complaints.append((logging.WARNING, words)))
        finally:
            self._opening = False
        if queue is not self._queue:  # a handler forked meanwhile: what was begun is the parent's
            store.abandon()
            self._complaints.clear()
        elif self._seat is None:
            return _Seat(store, UniqueClock(self._clock, store.slot))
        else:  # a run that began in a signal handler meanwhile took one
            store.close(delivered=True)
        return self._seat or self._opened_seat()

    def _follow(self, seat: _Seat) -> None:
        """Gives the times of the slot that the store is in now."""
        if seat.store.slot != seat.clock.slot and self._seat is seat:
            self._seat = _Seat(seat.store, UniqueClock(self._clock, seat.store.slot))

    def _change_slot(self, seat: _Seat) -> None:
        with self._lock:
            if self._draining or self._seat is not seat:
                return
            try:
                seat.store.move(seat.clock.now_ns())
            except OSError as error:
                self._complaints.append((logging.WARNING, f"the clock was set back, there is no other slot: {error}"))
            self._seat = _Seat(seat.store, UniqueClock(self._clock, seat.store.slot))


_journals: "weakref.WeakSet[SegmentJournal]" = weakref.WeakSet()
_hooked = False


def _hook_forks() -> None:
    global _hooked  # noqa: PLW0603 - fork hooks belong to the process and cannot be taken back
    if not _hooked:
        _hooked = True
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    for journal in list(_journals):
        journal.forked()


def _nobody() -> None:
    """Wakes no shipper: there is none yet."""
