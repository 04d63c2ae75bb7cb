"""The rounds of the shipper's thread, without the thread."""

import contextlib
import random
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.delivery.backlog import Backlog
from otel_job_measure.delivery.backoff import Uniform
from otel_job_measure.delivery.consumer import Consumer, Listed, Served
from otel_job_measure.journal.interfaces import Position, Segment, Source
from otel_job_measure.rate_limited_log import LOG, RateLimitedLog

if TYPE_CHECKING:
    from otel_job_measure.delivery.presence import Presence


MAINTAIN_S: Final = 10.0
RECOVER_S: Final = 30.0
_TROUBLE_S: Final = 1.0


class RecoveryPass(NamedTuple):
    """The segments of dead processes after a recovery pass."""

    elsewhere: bool = False
    """Whether another process holds `adopt.lock`, or the segments could not be listed."""
    pending_bytes: int = 0
    """How many bytes some sink lacks."""


class DeliveryLoop:
    """Brings segments to consumers.

    With `drops`, a segment is deleted when every sink has it; with SHIP=off another process delivers and deletes.
    `pause` waits some seconds while the process ends, and may return early.
    """

    def __init__(  # noqa: PLR0913 - the parts of one machine
        self,
        source: Source,
        consumers: Sequence[Consumer],
        *,
        presence: "Presence | None" = None,
        backlog: Backlog | None = None,
        clock: Clock | None = None,
        drops: bool = True,
        pause: Callable[[float], object] = time.sleep,
        uniform: Uniform | None = None,
    ) -> None:
        self.consumers = tuple(consumers)
        self.bugs = 0
        """The number of failures that a bug caused."""
        self._source = source
        self._presence = presence
        self._eager = tuple(consumer for consumer in self.consumers if consumer.policy.is_eager)
        self._backlog = backlog or Backlog()
        self._clock = clock or SystemClock()
        self._drops = drops
        self._pause = pause
        self._uniform = uniform or random.SystemRandom().uniform
        self._limited_log = RateLimitedLog(LOG, self._clock)
        self._delivered_ns: dict[str, int] = {}
        """When all eager sinks had a segment."""
        self._maintain_ns = self._clock.monotonic_ns() + int(MAINTAIN_S * 1e9)
        self._recover_ns = 0
        self._collects = False
        self._troubled = False

    @property
    def is_down(self) -> bool:
        """Returns whether the last write to an eager sink failed."""
        return any(consumer.failing for consumer in self._eager)

    @property
    def is_eager(self) -> bool:
        """Returns whether any sink is eager."""
        return bool(self._eager)

    def turn(self, go_on: Callable[[], bool], *, hurry: bool = False) -> None:
        """Does all due work; asks `go_on` before each batch. `hurry` means that a flush waits."""
        self._troubled = False
        self._serve_own(hurry=hurry)
        self._maintain()
        self.speak()
        if go_on() and self._is_over(self._recover_ns):
            self.recover(go_on)

    def wait_s(self, *, hurry: bool = False) -> float:
        """Returns the seconds until something is due; a new point can make something due earlier."""
        now_ns = self._clock.monotonic_ns()
        waits = [(self._maintain_ns - now_ns) / 1e9, (self._recover_ns - now_ns) / 1e9]
        own = self._own()
        for consumer in self.consumers:
            wait_s = consumer.wait_s(consumer.pending(own), hurry=hurry)
            waits += [] if wait_s is None else [wait_s]
        waits += [] if self._presence is None else [self._presence.wait_s()]
        return _TROUBLE_S if self._troubled else max(0.0, min(waits))

    def try_now(self) -> None:
        """Ends the waits after failures, except for waits that a server asked for."""
        for consumer in self.consumers:
            consumer.try_now()

    def collect(self) -> None:
        """Makes the next recovery pass due at once, and again soon as long as another process makes one."""
        self._collects = True
        self._recover_ns = 0

    def recover(self, go_on: Callable[[], bool]) -> RecoveryPass:
        """Makes a recovery pass and sends what dead processes left; own points go first between two batches."""
        # Random, so that processes that began together do not make their passes together.
        self._recover_ns = self._clock.monotonic_ns() + int(self._uniform(0.9, 1.1) * RECOVER_S * 1e9)
        now_ns = self._clock.wall_ns()
        self._note_own(now_ns, self._own())
        with self._guard("the recovery pass"):
            self._source.recover()
        with self._guard("sending segments of dead processes"), self._source.left() as windows:
            if windows is not None:
                self._collects = False
                return RecoveryPass(pending_bytes=self._send_left(windows, go_on, now_ns))
        if self._presence is not None:
            self._presence.completeness.left_to_another()
        if self._collects:
            self._recover_ns = self._clock.monotonic_ns() + int(_TROUBLE_S * 1e9)
        return RecoveryPass(elsewhere=True)

    def finish(self, deadline_ns: int, *, patient: bool) -> None:
        """Sends what this process still has until a deadline, and then one batch of what dead processes left.

        Unless `patient`, the first request for points that fails or takes a second is the last.
        """
        self.try_now()
        works = True
        for consumer in sorted(self.consumers, key=lambda consumer: not consumer.policy.is_eager):
            done = self._finish_own(consumer, deadline_ns, patient=patient and consumer.policy.is_eager)
            done = done or consumer.has_lost(self._own())
            works = works and (done or not consumer.policy.is_eager)
        self._drop_done(self._own(), but_last=True)
        if works and self._eager and not self._is_over(deadline_ns):
            with self._guard("sending segments of dead processes"), self._source.left() as windows:
                listing = _listed(next(iter(windows or ()), ()))
                self._serve_left(listing, deadline_ns)
                self._drop_done(listing)
        if works and not self._is_over(deadline_ns):  # one that is only slow hears it: silence would be an alarm
            self.leave(deadline_ns)

    def oldest_ns(self) -> int | None:
        """Returns the time of the oldest point of this process that an eager sink lacks."""
        return min((time_ns for consumer in self._eager if (time_ns := consumer.oldest_ns()) is not None), default=None)

    def close(self) -> None:
        """Closes the sinks."""
        for consumer in self.consumers:
            with self._guard(f"closing {consumer.sink.name}"):
                consumer.sink.close()

    def has_pending(self) -> bool:
        """Returns whether an eager sink lacks points of this process."""
        own = self._own()
        return any(consumer.pending(own) for consumer in self._eager)

    def has_everything(self) -> bool:
        """Returns whether the segments of this process can be deleted."""
        own = self._own()
        pending = any(consumer.pending(own) for consumer in self.consumers)
        return self._drops and bool(self.consumers) and not pending and not self._troubled

    def has_delivered(self, segment: str) -> bool:
        """Returns whether the eager sinks are known to have a whole segment, by its name."""
        return segment in self._delivered_ns

    def has_recorded(self, segment: str, size: int) -> bool:
        """Returns whether the lazy sinks, such as the history, have so many bytes of a segment, by its name."""
        return all(each.committed_offset(segment) >= size for each in self.consumers if each not in self._eager)

    def reaches(self, marks: Sequence[Position]) -> list[bool]:
        """Returns for each position whether the eager sinks have everything before it."""
        own = self._own()
        return [all(consumer.reaches(mark, own) for consumer in self._eager) for mark in marks]

    def _own(self) -> list[Listed]:
        with self._guard("reading the journal"):
            return _listed(self._source.own())
        return []

    def _serve_own(self, *, hurry: bool) -> None:
        now_ns, appended = self._clock.wall_ns(), self._backlog.appended()
        own = self._own()
        for consumer in self.consumers:
            if consumer.wait_s(consumer.pending(own), hurry=hurry) == 0.0:
                self._serve(consumer, own)
        if not any(consumer.pending(own) for consumer in self._eager):
            self._backlog.caught_up(appended)
        self._note_own(now_ns, own)
        self._drop_done(own, but_last=True)

    def _serve(
        self, consumer: Consumer, listing: Sequence[Listed], *, left: bool = False, deadline_ns: int | None = None
    ) -> Served:
        counts = not left and consumer in self._eager
        with self._guard(f"serving {consumer.sink.name}"):
            settled = self._backlog.settled if counts else None
            return consumer.serve(listing, left=left, deadline_ns=deadline_ns, settled=settled)
        return Served.FAILED

    def _send_left(self, windows: Iterable[Sequence[Segment]], go_on: Callable[[], bool], now_ns: int) -> int:
        """Sends segments of dead processes; returns how many bytes some sink lacks, up to where it stopped."""
        pending = 0
        waiting: list[tuple[Segment, int]] = []
        here: set[str] = set()
        for window in windows:
            listing = self._send_window(_listed(window), go_on)
            here |= {segment.name for segment in window} - self._forget_gone(window)
            pending += sum(consumer.pending(listing) for consumer in self.consumers)
            waiting += self._waiting(listing)
            if not go_on() or not any(consumer.is_open() for consumer in self._eager or self.consumers):
                self._note_left(now_ns, waiting, is_all=False)
                return pending  # there may be a hundred thousand more, and no sink takes them now
        self._note_left(now_ns, waiting, is_all=True)
        self._keep_only(here)
        return pending

    def _send_window(self, listing: list[Listed], go_on: Callable[[], bool]) -> list[Listed]:
        """Sends some segments, own points first in between; returns the segments that are still needed."""
        while go_on() and self._serve_left(listing):
            listing = self._drop_done(listing)
            self._serve_own(hurry=True)
            self._maintain()
        return self._drop_done(listing)

    def _serve_left(self, listing: Sequence[Listed], deadline_ns: int | None = None) -> bool:
        served = [
            self._serve(consumer, listing, left=True, deadline_ns=deadline_ns)
            for consumer in self.consumers
            if consumer.is_open()
        ]
        return any(each.moved for each in served)

    def _finish_own(self, consumer: Consumer, deadline_ns: int, *, patient: bool) -> bool:
        while not self._is_over(deadline_ns):
            own = self._own()
            pending = consumer.pending(own)
            if pending == 0:
                return True
            if not self._serve(consumer, own, deadline_ns=deadline_ns).moved:
                if not patient:
                    return False
                wait_s = consumer.wait_s(pending, hurry=True) or 0.0
                self._pause(max(0.001, min(wait_s, (deadline_ns - self._clock.monotonic_ns()) / 1e9)))
            elif consumer.slow and not patient:
                return consumer.pending(self._own()) == 0
        return False

    def _drop_done(self, listing: Sequence[Listed], *, but_last: bool = False) -> list[Listed]:
        """Deletes the segments that every sink has, and returns the others."""
        now_ns = self._clock.monotonic_ns()
        closed = listing[:-1] if but_last else listing  # the last own segment is still being written
        self._note_delivered(closed, now_ns)
        done = [listed for listed in closed if self._is_done(listed, now_ns)]
        with self._guard("deleting a delivered segment"):  # the next pass finds the segments that this one missed
            for listed in done:
                self._source.drop(listed.segment, is_lost=not all(each.has_all(listed) for each in self.consumers))
        names_done = {listed.segment.name for listed in done}
        return [listed for listed in listing if listed.segment.name not in names_done]

    def _note_delivered(self, listing: Sequence[Listed], now_ns: int) -> None:
        for listed in listing if self._eager else ():
            if all(consumer.has_all(listed) for consumer in self._eager):
                self._delivered_ns.setdefault(listed.segment.name, now_ns)

    def _is_done(self, listed: Listed, now_ns: int) -> bool:
        had_s = (now_ns - self._delivered_ns.get(listed.segment.name, now_ns)) / 1e9
        lacking = [consumer for consumer in self.consumers if not consumer.has_all(listed)]
        return self._drops and bool(self.consumers) and all(consumer.gives_up_after(had_s) for consumer in lacking)

    def _maintain(self) -> None:
        if self._is_over(self._maintain_ns):
            self._maintain_ns = self._clock.monotonic_ns() + int(MAINTAIN_S * 1e9)
            with self._guard("maintaining the journal"):
                self._source.maintain()

    def speak(self) -> None:
        """Says what runs now and how complete the server is, if that is due."""
        presence = self._presence
        if presence is not None and presence.wait_s() == 0.0:
            with self._guard("telling what runs now"):
                presence.speak(can_be_heard=all(consumer.is_open() for consumer in self._eager))

    def leave(self, deadline_ns: int) -> None:
        """Says that this process ends, and how complete the server is."""
        if self._presence is not None:
            with self._guard("telling that this process ends"):
                self._note_own(self._clock.wall_ns(), self._own())
                self._presence.leave(deadline_ns)

    def _note_own(self, now_ns: int, own: Sequence[Listed]) -> None:
        if self._presence is not None:
            is_all = not self._presence.vitals.has_unwritten()
            self._presence.completeness.own(now_ns, self._waiting(own), is_all=is_all)

    def _note_left(self, now_ns: int, waiting: Sequence[tuple[Segment, int]], *, is_all: bool) -> None:
        if self._presence is not None:
            self._presence.completeness.left(now_ns, waiting, is_all=is_all)

    def _waiting(self, listing: Iterable[Listed]) -> list[tuple[Segment, int]]:
        """Returns the segments of which an eager sink lacks bytes, and how many; none if nothing is told of them."""
        if self._presence is None:
            return []
        found = [(each.segment, max(consumer.pending([each]) for consumer in self._eager)) for each in listing]
        return [(segment, size) for segment, size in found if size]

    def _forget_gone(self, segments: Iterable[Segment]) -> set[str]:
        """Forgets the deleted ones of some segments, and returns their names."""
        gone = {segment.name for segment in segments if segment.size() == 0}
        for name in gone:
            self._delivered_ns.pop(name, None)
        for consumer in self.consumers:
            consumer.forget(gone)
        return gone

    def _keep_only(self, left: set[str]) -> None:
        own = self._own()
        if self._troubled:
            return  # the listing may be incomplete
        here = {*left, *(segment.name for segment, _ in own)}
        for consumer in self.consumers:
            consumer.keep_only(here)
        self._delivered_ns = {name: since_ns for name, since_ns in self._delivered_ns.items() if name in here}

    def _is_over(self, time_ns: int) -> bool:
        return self._clock.monotonic_ns() >= time_ns

    @contextlib.contextmanager
    def _guard(self, what: str) -> Generator[None]:
        try:
            yield
        except Exception:  # noqa: BLE001 - a bug must not end the thread: it is logged, and tried again later
            self.bugs += 1
            self._troubled = True
            self._limited_log.bug(what, "%s failed; it is tried again", what)


def _listed(segments: Sequence[Segment]) -> list[Listed]:
    return [Listed(segment, segment.size()) for segment in segments]
