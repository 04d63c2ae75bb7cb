"""What the shipper's thread does, round by round, without the thread."""

import contextlib
import logging
import random
import time
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from typing import Final

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.delivery.backlog import Backlog, Looked
from otel_job_measure.delivery.backoff import Uniform
from otel_job_measure.delivery.consumer import Consumer, Hurried, Listed
from otel_job_measure.journal.interfaces import Position, Segment, Source
from otel_job_measure.rate_limited_log import RateLimitedLog

_log = logging.getLogger(names.LOGGER)

MAINTAIN_S: Final = 10.0
LOOK_S: Final = 30.0
_TROUBLE_S: Final = 1.0


class DeliveryLoop:
    """Brings segments to sinks.

    Args:
        source: Where segments come from.
        consumers: The ways to the sinks.
        backlog: Follows how many points of this process are on their way.
        clock: The machine's clocks.
        drops: Whether a segment can go when these sinks have it; False where another process ships it elsewhere.
        pause: Waits, in seconds, while the process ends; it may return early.
        uniform: Gives a number between two by chance.
    """

    def __init__(  # noqa: PLR0913 - the parts of one machine
        self,
        source: Source,
        consumers: Sequence[Consumer],
        *,
        backlog: Backlog | None = None,
        clock: Clock | None = None,
        drops: bool = True,
        pause: Callable[[float], object] = time.sleep,
        uniform: Uniform | None = None,
    ) -> None:
        self.consumers = tuple(consumers)
        self.bugs = 0
        """How often something failed that never should."""
        self._source = source
        self._eager = tuple(consumer for consumer in self.consumers if consumer.policy.is_eager)
        self._backlog = backlog or Backlog(None)
        self._clock = clock or SystemClock()
        self._drops = drops
        self._pause = pause
        self._uniform = uniform or random.SystemRandom().uniform
        self._quiet = RateLimitedLog(_log, self._clock)
        self._had_ns: dict[str, int] = {}
        self._maintain_ns = self._clock.monotonic_ns() + int(MAINTAIN_S * 1e9)
        self._look_ns = 0
        self._troubled = False

    @property
    def is_down(self) -> bool:
        """Returns whether a sink that is served at once could not be reached the last time."""
        return any(consumer.failing for consumer in self._eager)

    @property
    def is_eager(self) -> bool:
        """Returns whether any sink is served at once."""
        return bool(self._eager)

    def turn(self, go_on: Callable[[], bool], *, hurry: bool = False) -> None:
        """Does what is due.

        Args:
            go_on: Asked between two batches whether to begin anything more.
            hurry: Whether somebody waits for points to be delivered.
        """
        self._troubled = False
        self._serve_own(hurry=hurry)
        self._keep_up()
        if go_on() and self._is_over(self._look_ns):
            self.look(go_on)

    def wait_s(self, *, hurry: bool = False) -> float:
        """Returns the seconds until something is due; a point that is appended later can make something due before."""
        now_ns = self._clock.monotonic_ns()
        waits = [(self._maintain_ns - now_ns) / 1e9, (self._look_ns - now_ns) / 1e9]
        own = self._own()
        for consumer in self.consumers:
            wait_s = consumer.wait_s(consumer.pending(own), hurry=hurry)
            waits += [] if wait_s is None else [wait_s]
        return _TROUBLE_S if self._troubled else max(0.0, min(waits))

    def try_now(self) -> None:
        """Ends the waits after failures, but for those that a server has asked for."""
        for consumer in self.consumers:
            consumer.try_now()

    def look(self, go_on: Callable[[], bool]) -> Looked:
        """Adopts what others left and sends it, all of it unless something fails; own points go first in between.

        Args:
            go_on: Asked between two batches whether to begin anything more.

        Returns:
            What is left now.
        """
        # By chance, so that processes that began together don't look together.
        self._look_ns = self._clock.monotonic_ns() + int(self._uniform(0.9, 1.1) * LOOK_S * 1e9)
        with self._guard("adopting what others left"):
            self._source.recover()
        with self._guard("sending what others left"), self._source.left() as windows:
            if windows is not None:
                return Looked(pending_bytes=self._bring_left(windows, go_on))
        return Looked(elsewhere=True)

    def finish(self, ends_ns: int, *, patient: bool) -> None:
        """Sends what this process still has, and then one batch of what others left.

        Args:
            ends_ns: When to stop at the latest, by the monotonic clock.
            patient: Whether to go on after a request that failed or took a second.
        """
        for consumer in self.consumers:
            consumer.try_now()
            if isinstance(consumer.sink, Hurried):
                consumer.sink.hurry(ends_ns, patient=patient)
        works = True
        for consumer in sorted(self.consumers, key=lambda consumer: not consumer.policy.is_eager):
            done = self._finish_own(consumer, ends_ns, patient=patient and consumer.policy.is_eager)
            works = works and (done or not consumer.policy.is_eager)
        self._without_done(self._own(), but_last=True)
        if works and self._eager and not self._is_over(ends_ns):
            with self._guard("sending what others left"), self._source.left() as windows:
                listing = _listed(next(iter(windows or ()), ()))
                self._serve_left(listing)
                self._without_done(listing)

    def oldest_ns(self) -> int | None:
        """Returns the time of the oldest point of this process that is on its way to a sink served at once."""
        return min((time_ns for consumer in self._eager if (time_ns := consumer.oldest_ns()) is not None), default=None)

    def close(self) -> None:
        """Closes the sinks."""
        for consumer in self.consumers:
            with self._guard(f"closing {consumer.sink.name}"):
                consumer.sink.close()

    def has_pending(self) -> bool:
        """Returns whether a sink that is served at once lacks points of this process."""
        own = self._own()
        return any(consumer.pending(own) for consumer in self._eager)

    def has_everything(self) -> bool:
        """Returns whether nobody needs the segments of this process any more."""
        own = self._own()
        pending = any(consumer.pending(own) for consumer in self.consumers)
        return self._drops and bool(self.consumers) and not pending and not self._troubled

    def has_delivered(self, segment: str) -> bool:
        """Returns whether the sinks that are served at once are known to have all of a segment, by its name."""
        return segment in self._had_ns

    def reaches(self, marks: Sequence[Position]) -> list[bool]:
        """Returns for each mark whether the sinks that are served at once have what is before it."""
        own = self._own()
        return [all(consumer.reaches(mark, own) for consumer in self._eager) for mark in marks]

    def _own(self) -> list[Listed]:
        with self._guard("reading the journal"):
            return _listed(self._source.own())
        return []

    def _bring_left(self, windows: Iterable[Sequence[Segment]], go_on: Callable[[], bool]) -> int:
        """Sends what others left; returns how many bytes of it some sink lacks, as far as it was looked at."""
        pending = 0
        here: set[str] = set()
        dropped: list[Segment] = []
        for window in windows:
            listing = _listed(window)
            while go_on() and self._serve_left(listing):
                listing = self._without_done(listing)
                self._serve_own(hurry=True)
                self._keep_up()
            listing = self._without_done(listing)
            # What was dropped may be deleted a little later; until then it is not forgotten that the sinks have it.
            gone = self._forget_gone((*dropped, *window))
            here.update(segment.name for segment in window)
            here -= gone
            settled = gone.union(segment.name for segment, _ in listing)
            dropped = [segment for segment in (*dropped, *window) if segment.name not in settled]
            pending += sum(consumer.pending(listing) for consumer in self.consumers)
            if not go_on() or not any(consumer.is_open() for consumer in self._eager or self.consumers):
                return pending  # there may be a hundred thousand more, and nobody to take them now
        self._keep_only(here)
        return pending

    def _forget_gone(self, segments: Iterable[Segment]) -> set[str]:
        """Forgets those of some segments that are deleted, and returns their names."""
        gone = {segment.name for segment in segments if segment.size() == 0}
        self._had_ns = {name: ns for name, ns in self._had_ns.items() if name not in gone}
        for consumer in self.consumers:
            consumer.forget(gone)
        return gone

    def _serve_own(self, *, hurry: bool) -> None:
        appended = self._backlog.appended()
        own = self._own()
        for consumer in self.consumers:
            wait_s = consumer.wait_s(consumer.pending(own), hurry=hurry)
            if wait_s == 0.0:
                self._serve(consumer, own)
        if not any(consumer.pending(own) for consumer in self._eager):
            self._backlog.caught_up(appended)
        self._without_done(own, but_last=True)

    def _serve(self, consumer: Consumer, listing: Sequence[Listed], *, left: bool = False) -> bool:
        with self._guard(f"serving {consumer.sink.name}"):
            counts = not left and consumer in self._eager
            return consumer.serve(listing, left=left, settled=self._backlog.settled if counts else None) is not None
        return False

    def _serve_left(self, listing: Sequence[Listed]) -> bool:
        moved = [self._serve(consumer, listing, left=True) for consumer in self.consumers if consumer.is_open()]
        return any(moved)

    def _finish_own(self, consumer: Consumer, ends_ns: int, *, patient: bool) -> bool:
        while not self._is_over(ends_ns):
            own = self._own()
            pending = consumer.pending(own)
            if pending == 0:
                return True
            if not self._serve(consumer, own):
                if not patient:
                    return False
                wait_s = consumer.wait_s(pending, hurry=True) or 0.0
                self._pause(max(0.001, min(wait_s, (ends_ns - self._clock.monotonic_ns()) / 1e9)))
            elif consumer.slow and not patient:
                return False
        return False

    def _without_done(self, listing: Sequence[Listed], *, but_last: bool = False) -> list[Listed]:
        """Drops segments that every sink has, and returns the others."""
        now_ns = self._clock.monotonic_ns()
        last = listing[-1] if but_last and listing else None
        kept: list[Listed] = []
        done: list[Segment] = []
        for listed in listing:
            if listed is last or not self._is_done(listed, now_ns):
                kept.append(listed)
            else:
                done.append(listed.segment)
        with self._guard("dropping a segment"):  # the next look finds those that it did not come to
            for segment in done:
                self._source.drop(segment)
        return kept

    def _is_done(self, listed: Listed, now_ns: int) -> bool:
        lacking = [consumer for consumer in self.consumers if not consumer.has_all(listed)]
        had_ns = now_ns
        if self._eager and not any(consumer in self._eager for consumer in lacking):
            had_ns = self._had_ns.setdefault(listed.segment.name, now_ns)
        had_s = (now_ns - had_ns) / 1e9
        return self._drops and bool(self.consumers) and all(consumer.gives_up_after(had_s) for consumer in lacking)

    def _keep_up(self) -> None:
        if self._is_over(self._maintain_ns):
            self._maintain_ns = self._clock.monotonic_ns() + int(MAINTAIN_S * 1e9)
            with self._guard("maintaining the journal"):
                self._source.maintain()

    def _keep_only(self, left: Collection[str]) -> None:
        own = self._own()
        if self._troubled:
            return  # who knows what is here
        here = {*left, *(segment.name for segment, _ in own)}
        for consumer in self.consumers:
            consumer.keep_only(here)
        self._had_ns = {name: since_ns for name, since_ns in self._had_ns.items() if name in here}

    def _is_over(self, time_ns: int) -> bool:
        return self._clock.monotonic_ns() >= time_ns

    @contextlib.contextmanager
    def _guard(self, what: str) -> Generator[None]:
        try:
            yield
        except Exception:  # noqa: BLE001 - a bug must not end the thread: it is logged, and tried again later
            self.bugs += 1
            self._troubled = True
            self._quiet.bug(what, "%s failed; it is tried again", what)


def _listed(segments: Sequence[Segment]) -> list[Listed]:
    return [Listed(segment, segment.size()) for segment in segments]
