"""The journal: a run's points are appended to it, and the job goes on.

Each append is one write under one lock. What cannot be appended now waits in memory and is tried again. A run may begin
or end anywhere, also in a signal handler or in the garbage collector: an append inside an append of the same thread is
queued, and the outer one writes it before it returns.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Sequence

from otel_job_measure import forks, names
from otel_job_measure.clock import Clock
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import LostSlotError, OpenStore, Position, Segment, Store
from otel_job_measure.journal.life import Handle, Life
from otel_job_measure.journal.segment import BEGAN
from otel_job_measure.journal.state_dir import StateDir, lose
from otel_job_measure.journal.unique_clock import UniqueClock
from otel_job_measure.rate_limited_log import RateLimitedLog

_MAX_WAITING = 20_000
_HEARTBEAT_NS = 10_000_000_000


class SegmentJournal:
    """A process's journal for one destination: jobs append to it, and the shipper reads it."""

    def __init__(
        self,
        open_store: OpenStore,
        *,
        clock: Clock,
        counters: Counters,
        host: str,
        memory_store: Callable[[OSError], tuple[Store, str]] | None = None,
    ) -> None:
        """Takes nothing yet: the first point does. If it cannot, `memory_store` gives a store, and what to log."""
        self.host = host
        self.wake: Callable[[], None] = lambda: None  # there is no shipper yet
        self._open_store = open_store
        self._memory_store = memory_store
        self._clock = clock
        self._counters = counters
        self._log = RateLimitedLog(logging.getLogger(names.LOGGER), clock)
        self._life = Life(clock.monotonic_ns())
        forks.register(forks.Order.JOURNALS, self.forked)

    # What a job waits for

    def stamp(self, *, after_ns: int = 0) -> int:
        """Returns a timestamp that no other point of this state directory has, at least 1 µs after `after_ns`."""
        return (self._current().handle or self._open_handle()).clock.stamp(after_ns=after_ns)

    def begin(self, uuid: str, line: bytes) -> None:
        """Appends a run's start line."""
        self._append(line, 1, uuid, None)

    def finish(self, uuid: str, lines: bytes) -> None:
        """Appends a run's ending: its run row, if there is one, and its old row."""
        self._append(lines, lines.count(b"\n"), None, uuid)

    def hold(self, uuid: str, start: bytes = b"") -> None:
        """Keeps open a run that another process began: comments say so, and each new segment repeats them."""
        if uuid not in self._current().open_runs:
            self._append(b"# holds %s\n%s" % (uuid.encode(), start and BEGAN + start), 0, uuid, None)

    def release(self, uuid: str) -> None:
        """Gives up a run that is open here without ending it."""
        life = self._current()
        if uuid in life.open_runs or life.queue:
            self._append(b"# released %s\n" % uuid.encode(), 0, None, uuid)

    def note(self, lines: bytes) -> None:
        """Appends points that begin and end no run, or a comment, which no server gets."""
        self._append(lines, 0 if lines.startswith(b"#") else lines.count(b"\n"), None, None)

    def tail(self) -> Position:
        """Returns the place after everything that was appended so far; what waits in memory comes behind it."""
        life = self._current()
        if life.handle is None:
            return Position(0, 0)
        last = life.handle.store.own()[-1]
        return Position(last.header.ordinal, last.size() + bool(life.queue))

    @property
    def waiting(self) -> int:
        """Returns how many appends wait in memory, also those that another thread is just writing."""
        return len(self._current().queue)

    @property
    def is_behind(self) -> bool:
        """Returns whether appends wait in memory because the last one failed."""
        return self._current().behind > 0

    @property
    def waiting_points(self) -> int:
        """Returns how many points these are."""
        return sum(points for _, points, _, _ in tuple(self._current().queue))

    def open_starts(self) -> list[bytes]:
        """Returns the start lines of the runs that this process has open, or holds and knows the start of."""
        starts = (lines.rpartition(BEGAN)[2] for lines in tuple(self._current().open_runs.values()))
        return [line for line in starts if not line.startswith(b"#")]

    # What the shipper's thread does

    @property
    def state(self) -> StateDir | None:
        """Returns the state directory; None in memory, and before the first point."""
        handle = self._current().handle
        return None if handle is None else handle.store.state

    def own(self) -> Sequence[Segment]:
        """Returns the segments of this process, oldest first; the last one is still being written."""
        handle = self._current().handle
        return () if handle is None else handle.store.own()

    def drop(self, segment: Segment, *, is_lost: bool = False) -> None:
        """Deletes a segment that every sink has, or the history lacks for good; never one that is being written."""
        life = self._current()
        if life.handle is not None:
            with life.lock:
                is_free = life.handle.store.release(segment)
            if is_free:
                if is_lost and life.handle.store.state is not None:
                    lose(life.handle.store.state, segment, self._clock)
                segment.delete()

    def maintain(self) -> None:
        """Checks the clock and the lock, gives a sign of life, and tries again to append what waits."""
        life = self._current()
        if life.handle is None:
            return
        self._check(life)
        now_ns = self._clock.monotonic_ns()
        if life.open_runs and now_ns - life.heartbeat_ns >= _HEARTBEAT_NS:
            life.heartbeat_ns = now_ns
            life.queue.append((b"# alive %d\n" % life.handle.clock.now_ns(), 0, None, None))
        if life.queue:
            self._drain(life)
        life.handle.store.behind(life.behind)
        self._say(life)

    def hand_over(self) -> None:
        """Leaves everything so far to the other processes of the state directory."""
        life = self._current()
        with life.lock:
            if life.handle is None or life.is_draining or life.is_opening:
                return  # the append that is under way hands over when it is done
            try:
                life.handle.store.hand_over()
            except OSError as error:
                self._note(life, logging.WARNING, "hand over", f"points wait until this process ends: {error}")
        self._say(life)

    def close(self, *, delivered: bool, until: Position | None = None) -> None:
        """Gives the slot back; a later point takes another.

        `delivered` says that every sink has everything up to `until`.
        """
        life = self._current()
        with life.lock:
            if life.open_runs or life.handle is None or life.is_draining or life.is_opening:
                # In a signal handler an append of this thread may be under way, of a run not yet noted. The slot stays
                # ours while a run is open: a recovery pass would end it as lost.
                return
            life.handle.store.behind(life.behind)
            is_all = not life.queue and until in (None, self.tail())
            handle, life.handle = life.handle, None
            handle.store.close(delivered=delivered and is_all)
        self._say(life)

    def give_up(self, send: Callable[[Sequence[bytes]], bool] | None) -> None:
        """Sends what waits in memory when the process ends; what cannot be sent either is dropped, and logged."""
        life = self._current()
        if life.handle is not None:  # a new store might be one in memory
            self._drain(life)
        with life.lock:
            items = life.give_up()
        lines = [line for data, *_ in items for line in data.splitlines(keepends=True) if not line.startswith(b"#")]
        if lines and send is not None and send(lines):
            self._counters.delivered(len(lines))
            for *_, ends in items:
                life.open_runs.pop(ends or "", None)
            with contextlib.suppress(OSError):  # in `ready/`, no segment says that these runs are open
                self.close(delivered=False)
        elif lines:
            self._counters.dropped(len(lines), "memory")
            message = "%d points could not be written and are lost as this process ends"
            self._log.log(logging.ERROR, "given up", message, len(lines))

    def forked(self) -> None:
        """Begins anew in a child of fork: what the parent has open, waiting and locked is the parent's."""
        handle = self._life.handle
        self._life = Life(self._clock.monotonic_ns())
        self._counters.forked()
        if handle is not None:
            handle.store.abandon()

    # The append, and the store

    def _current(self) -> Life:
        life = self._life
        if life.pid != os.getpid():  # C code has forked
            forks.check()
            life = self._life
        return life

    def _append(self, lines: bytes, points: int, begins: str | None, ends: str | None) -> None:
        life = self._current()
        life.queue.append((lines, points, begins, ends))
        self._drain(life)
        self.wake()

    def _drain(self, life: Life) -> None:
        with life.lock:
            # A handler that runs between the last look and the end of the block finds no drain and does its own.
            while life.queue and not life.is_draining and life is self._life:
                life.is_draining = True
                try:
                    self._write_out(life)
                except OSError as error:
                    if self._is_of_this_process(life):
                        self._keep_waiting(life, error)
                    break
                finally:
                    life.is_draining = False
        if life.messages:
            self._say(life)

    def _write_out(self, life: Life) -> None:
        while life.queue:
            handle = life.handle or self._open_handle()
            if life is not self._life:
                return
            lines, points, begins, ends = life.queue[0]
            try:
                is_full = handle.store.write(lines)
                life.is_behind = False
            except LostSlotError:
                if self._is_of_this_process(life):
                    self._replace(life, handle)
                continue
            if life is not self._life:
                return
            # Only now is the run noted: a rotation before would have doubled its start, one after would lose it.
            if begins is not None:
                life.open_runs.setdefault(begins, lines)
            elif ends is not None:
                life.open_runs.pop(ends, None)
            life.queue.popleft()
            self._counters.appended += points
            if is_full:
                self._rotate(life, handle.store)

    def _is_of_this_process(self, life: Life) -> bool:
        """Returns False in a child that a signal handler forked inside an append: all of that is its parent's."""
        return life is self._life

    def _rotate(self, life: Life, store: Store) -> None:
        try:
            store.rotate()
        except OSError as error:
            self._note(life, logging.WARNING, "rotation", f"no new segment can be begun, the old one goes on: {error}")

    def _keep_waiting(self, life: Life, error: OSError) -> None:
        life.is_behind = True
        if life.handle is not None:
            life.handle.store.behind(len(life.queue), is_lost=len(life.queue) > _MAX_WAITING)
        while len(life.queue) > _MAX_WAITING:
            _, points, _, ends = life.queue.popleft()
            self._counters.dropped(points, "memory")
            if ends is not None:
                life.open_runs.pop(ends, None)
        self._note(
            life, logging.ERROR, "append", f"{len(life.queue)} points cannot be written and wait in memory: {error}"
        )

    def _open_handle(self) -> Handle:
        """Returns the store of this process, which is opened if there is none."""
        while (handle := (life := self._current()).handle) is None:
            with life.lock:
                if life.handle is None:
                    self._open(life)
            self._say(life)
        return handle

    def _open(self, life: Life) -> None:
        life.is_opening = True
        try:
            store = self._opened(life)
        finally:
            life.is_opening = False
        if not self._is_of_this_process(life):
            store.abandon()
        elif life.handle is None:
            life.handle = Handle(store, UniqueClock(self._clock, store.slot))
        else:  # a run that began in a signal handler meanwhile has opened one
            store.close(delivered=True)

    def _opened(self, life: Life) -> Store:
        try:
            return self._open_store(life.open_runs, None)
        except OSError as error:
            if self._memory_store is None:
                raise
            store, message = self._memory_store(error)
            self._note(life, logging.WARNING, "memory", message)
            return store

    def _check(self, life: Life) -> None:
        with life.lock:
            handle = life.handle
            if handle is None or life.is_draining:
                return
            is_set_back = not handle.clock.correct()
            if not is_set_back and handle.store.check():
                return
            try:
                self._replace(life, handle, last_ns=handle.clock.now_ns() if is_set_back else None)
            except OSError as error:
                cause = "the clock was set back" if is_set_back else "the slot was lost"
                self._note(life, logging.WARNING, "slot", f"{cause}, and there is no other slot: {error}")
                life.handle = Handle(handle.store, UniqueClock(self._clock, handle.store.slot))

    def _replace(self, life: Life, before: Handle, *, last_ns: int | None = None) -> None:
        """Goes on in another store; its first segment says what is open, so the old ones end no run as lost."""
        store = self._open_store(life.open_runs, before.store)
        if not self._is_of_this_process(life):
            store.abandon()
            return
        life.handle = Handle(store, UniqueClock(self._clock, store.slot))
        try:
            before.store.close(delivered=False, last_ns=last_ns)
        except OSError as error:
            self._note(life, logging.WARNING, "slot", f"a lost slot cannot be cleared: {error}")

    def _note(self, life: Life, level: int, kind: str, message: str) -> None:
        life.messages.append((level, kind, message))

    def _say(self, life: Life) -> None:
        """Logs what went wrong when no lock is held: a log handler can wait for a thread in which a run begins."""
        if life.messages and not life.is_draining and not life.is_opening:
            with contextlib.suppress(IndexError):  # another thread may take the last one
                while life.messages:
                    level, kind, message = life.messages.popleft()
                    self._log.log(level, kind, "%s", message)
