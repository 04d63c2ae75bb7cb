"""What the shipper's thread does, round by round, without the thread."""

import contextlib
import logging
import random
from collections.abc import Callable, Generator, Sequence
from typing import Final

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.delivery.backlog import Backlog
from otel_job_measure.delivery.lane import Hurried, Lane, Listed
from otel_job_measure.delivery.quiet import QuietLog
from otel_job_measure.journal.protocols import Mark, Source

_log = logging.getLogger(names.LOGGER)

UPKEEP_S: Final = 10.0
LOOK_S: Final = 30.0
_TROUBLE_S: Final = 1.0


class Rounds:
    """Brings segments to sinks.

    Args:
        source: Where segments come from.
        lanes: The ways to the sinks.
        backlog: Follows how many points of this process are on their way.
        clock: The machine's clocks.
        drops: Whether a segment can go when these sinks have it; False where another process ships it elsewhere.
        pause: Waits, in seconds, while the process ends; it may return early.
    """

    def __init__(  # noqa: PLR0913 - the parts of one machine
        self,
        source: Source,
        lanes: Sequence[Lane],
        *,
        backlog: Backlog | None = None,
        clock: Clock | None = None,
        drops: bool = True,
        pause: Callable[[float], None],
    ) -> None:
        self.lanes = tuple(lanes)
        self.bugs = 0
        """How often something failed that never should."""
        self._source = source
        self._eager = tuple(lane for lane in self.lanes if lane.policy.is_eager)
        self._backlog = backlog or Backlog(None)
        self._clock = clock or SystemClock()
        self._drops = drops
        self._pause = pause
        self._quiet = QuietLog(_log, self._clock)
        self._had_ns: dict[str, int] = {}
        self._upkeep_ns = self._clock.monotonic_ns() + int(UPKEEP_S * 1e9)
        self._look_ns = 0
        self._troubled = False

    def turn(self, *, hurry: bool = False, stop: Callable[[], bool]) -> float:
        """Does what is due.

        Args:
            hurry: Whether somebody waits for points to be delivered.
            stop: Whether the process ends and nothing more is to be begun.

        Returns:
            The seconds until something else is due at the latest.
        """
        self._troubled = False
        self._serve_own(hurry=hurry)
        if not stop():
            self._keep_up()
        if not stop() and self._is_over(self._look_ns):
            self.look(stop)
        return max(_TROUBLE_S if self._troubled else 0.0, self._wait_s(hurry=hurry))

    def look(self, stop: Callable[[], bool]) -> None:
        """Adopts what others left and sends it, all of it unless something fails; own points go first in between.

        Args:
            stop: Whether the process ends and nothing more is to be begun.
        """
        # By chance, so that processes that began together don't look together.
        self._look_ns = self._clock.monotonic_ns() + int(random.SystemRandom().uniform(0.9, 1.1) * LOOK_S * 1e9)
        with self._guard("adopting what others left"):
            self._source.adopt()
        with self._guard("sending what others left"), self._source.left() as segments:
            if segments is None:
                return
            listing = [Listed(segment, segment.size()) for segment in segments]
            self._keep_only(listing)
            while not stop() and self._serve_left(listing):
                listing = self._without_done(listing)
                self._serve_own(hurry=False)
                self._keep_up()
            self._without_done(listing)

    def finish(self, ends_ns: int, *, patient: bool) -> None:
        """Sends what this process still has, and then one batch of what others left.

        Args:
            ends_ns: When to stop at the latest, by the monotonic clock.
            patient: Whether to go on after a request that failed or took a second.
        """
        for lane in self.lanes:
            lane.try_now()
            if isinstance(lane.sink, Hurried):
                lane.sink.hurry(ends_ns, patient=patient)
        works = True
        for lane in sorted(self.lanes, key=lambda lane: not lane.policy.is_eager):
            done = self._finish_own(lane, ends_ns, patient=patient and lane.policy.is_eager)
            works = works and (done or not lane.policy.is_eager)
        self._without_done(self._own(), but_last=True)
        if works and not self._is_over(ends_ns):
            with self._guard("sending what others left"), self._source.left() as segments:
                listing = [Listed(segment, segment.size()) for segment in segments or ()]
                self._serve_left(listing)
                self._without_done(listing)

    def has_pending(self) -> bool:
        """Returns whether a sink that is served at once lacks points of this process."""
        own = self._own()
        return any(lane.pending(own) for lane in self._eager)

    def has_everything(self) -> bool:
        """Returns whether nobody needs the segments of this process any more."""
        own = self._own()
        pending = any(lane.pending(own) for lane in self.lanes)
        return self._drops and bool(self.lanes) and not pending and not self._troubled

    def reaches(self, marks: Sequence[Mark]) -> list[bool]:
        """Returns for each mark whether the sinks that are served at once have what is before it."""
        own = self._own()
        return [all(lane.reaches(mark, own) for lane in self._eager) for mark in marks]

    def _own(self) -> list[Listed]:
        with self._guard("reading the journal"):
            return [Listed(segment, segment.size()) for segment in self._source.own()]
        return []

    def _serve_own(self, *, hurry: bool) -> None:
        appended = self._backlog.appended()
        own = self._own()
        for lane in self.lanes:
            wait_s = lane.wait_s(lane.pending(own), hurry=hurry)
            if wait_s is not None and wait_s <= 0:
                self._serve(lane, own)
        if not any(lane.pending(own) for lane in self._eager):
            self._backlog.caught_up(appended)
        self._without_done(own, but_last=True)

    def _serve(self, lane: Lane, listing: Sequence[Listed], *, left: bool = False) -> bool:
        with self._guard(f"serving {lane.sink.name}"):
            points = lane.serve(listing, left=left)
            if points and not left and lane in self._eager:
                self._backlog.settled(points)
            return points is not None
        return False

    def _serve_left(self, listing: Sequence[Listed]) -> bool:
        moved = [self._serve(lane, listing, left=True) for lane in self.lanes if lane.is_open()]
        return any(moved)

    def _finish_own(self, lane: Lane, ends_ns: int, *, patient: bool) -> bool:
        while not self._is_over(ends_ns):
            own = self._own()
            pending = lane.pending(own)
            if pending == 0:
                return True
            if not self._serve(lane, own):
                if not patient:
                    return False
                wait_s = lane.wait_s(pending, hurry=True) or 0.0
                self._pause(max(0.001, min(wait_s, (ends_ns - self._clock.monotonic_ns()) / 1e9)))
            elif lane.slow and not patient:
                return False
        return False

    def _without_done(self, listing: Sequence[Listed], *, but_last: bool = False) -> list[Listed]:
        """Drops segments that every sink has, and returns the others."""
        if not self._drops or not self.lanes:
            return list(listing)
        last = listing[-1:] if but_last else ()
        kept: list[Listed] = []
        for listed in listing:
            if listed in last or not self._is_done(listed):
                kept.append(listed)
                continue
            with self._guard("dropping a segment"):
                self._source.drop(listed.segment)
        return kept

    def _is_done(self, listed: Listed) -> bool:
        lacking = [lane for lane in self.lanes if not lane.has_all(listed)]
        if not lacking:
            return True
        patience_s = [lane.policy.patience_s for lane in lacking if lane.held and lane.policy.patience_s is not None]
        if len(patience_s) < len(lacking) or len(lacking) == len(self.lanes):
            return False
        now_ns = self._clock.monotonic_ns()
        return now_ns - self._had_ns.setdefault(listed.segment.name, now_ns) >= max(patience_s) * 1e9

    def _keep_up(self) -> None:
        if self._is_over(self._upkeep_ns):
            self._upkeep_ns = self._clock.monotonic_ns() + int(UPKEEP_S * 1e9)
            with self._guard("the journal's upkeep"):
                self._source.upkeep()

    def _keep_only(self, listing: Sequence[Listed]) -> None:
        here = {segment.name for segment, _ in (*listing, *self._own())}
        for lane in self.lanes:
            lane.keep_only(here)
        self._had_ns = {name: since_ns for name, since_ns in self._had_ns.items() if name in here}

    def _wait_s(self, *, hurry: bool) -> float:
        now_ns = self._clock.monotonic_ns()
        waits = [(self._upkeep_ns - now_ns) / 1e9, (self._look_ns - now_ns) / 1e9]
        own = self._own()
        for lane in self.lanes:
            with self._guard(f"serving {lane.sink.name}"):
                wait_s = lane.wait_s(lane.pending(own), hurry=hurry)
                waits += [] if wait_s is None else [wait_s]
        return max(0.0, min(waits))

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
