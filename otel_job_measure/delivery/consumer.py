"""One sink as the shipper sees it: what it has, when it is due, and what it was given last."""

import contextlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, runtime_checkable

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.delivery.backoff import Backoff
from otel_job_measure.delivery.physical import count_points, first_point, time_of
from otel_job_measure.journal.interfaces import Ack, Chunk, Position, Segment, Sink, WriteResult
from otel_job_measure.rate_limited_log import RateLimitedLog

if TYPE_CHECKING:
    from otel_job_measure.delivery.ahead import Ahead

_log = logging.getLogger(names.LOGGER)

MAX_BATCH: Final = 900_000
_LEAST_READ: Final = 4096
_LEAST_LINGER_S: Final = 0.05
_MOST_LINGER_S: Final = 1.0
_LINGER: Final = 4.0  # times what the last answer took: a slow server is asked less often
_SLOW_S: Final = 1.0
_UNREADABLE_NS: Final = 1_000_000_000
_UNSAID_NS: Final = 60_000_000_000
_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


@runtime_checkable
class Hurried(Protocol):
    """A sink that can be told that the process ends."""

    slow: bool
    """Whether the last request took a second or more."""

    def hurry(self, ends_ns: int, *, patient: bool) -> None:
        """Is told when nothing may be under way any more, and whether to go on after a slow request."""
        ...


class Listed(NamedTuple):
    """A segment and its size when it was looked at."""

    segment: Segment
    size: int


class Policy(NamedTuple):
    """When a sink is served.

    Args:
        least_bytes: How much makes it due at once.
        most_wait_s: How long less than that waits, in seconds; 0 for a sink that is served at once.
        patience_s: How long a segment that all others have is kept for it while it takes nothing before somebody
            has set something; None for as long as it takes.
    """

    least_bytes: int = 0
    most_wait_s: float = 0.0
    patience_s: float | None = None

    @property
    def is_eager(self) -> bool:
        """Returns whether the sink is served at once."""
        return self.most_wait_s <= 0


EAGER: Final = Policy()
LAZY: Final = Policy(least_bytes=1024 * 1024, most_wait_s=60.0, patience_s=3600.0)


class Consumer:
    """The way to one sink. Only the thread that ships uses it; others may look at its plain attributes.

    Args:
        sink: The sink.
        policy: When it is served.
        clock: The machine's clocks.
        backoff: How long to wait after failures.
        ahead: Prepares the rest of a segment while a part of it is on its way, on a thread that asks here what that is;
            None in a process that has jobs.
    """

    def __init__(
        self,
        sink: Sink,
        policy: Policy = EAGER,
        *,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
        ahead: "Ahead | None" = None,
    ) -> None:
        self.sink = sink
        self.policy = policy
        self.failing = False
        """Whether the last points could not be brought to the sink."""
        self.held = False
        """Whether somebody has to set something before it takes any."""
        self.slow = False
        """Whether the last request took a second or more."""
        self.words = ""
        """Why it took none the last time, and what to set."""
        self._clock = clock or SystemClock()
        self._backoff = backoff or Backoff()
        self._ahead = ahead
        self._quiet = RateLimitedLog(_log, self._clock)
        self._warned = False
        self._failing_since_ns = 0
        self._positions: dict[str, int] = {}
        self._again: dict[bool, tuple[Chunk, ...]] = {False: (), True: ()}
        self._not_before_ns = 0
        self._asked = False
        self._linger_until_ns = 0
        self._since_ns: int | None = None

    def position(self, segment: str) -> int:
        """Returns how much of a segment the sink has, in bytes."""
        position = self._positions.get(segment)
        if position is None:
            try:
                position = self.sink.position(segment)
            except Exception:  # noqa: BLE001 - a bug in a sink must not stop the others; what it has is sent again
                self._quiet.bug("position", "%s failed to say what it has", self.sink.name)
                position = 0
            self._positions[segment] = position
        return position

    def has_all(self, listed: Listed) -> bool:
        """Returns whether the sink has a whole segment; one without a byte is one that could not be read."""
        segment, size = listed
        return 0 < size <= self.position(segment.name)

    def gives_up_after(self, had_s: float) -> bool:
        """Returns whether a segment need not be kept for this sink any more.

        Args:
            had_s: How long the sinks that are served at once have had all of it, in seconds.
        """
        return self.held and self.policy.patience_s is not None and had_s >= self.policy.patience_s

    def reaches(self, mark: Position, own: Sequence[Listed]) -> bool:
        """Returns whether the sink has everything before a mark.

        Args:
            mark: The place in the journal.
            own: The segments of the journal.
        """
        if mark <= (0, 0):
            return True
        if not own or own[-1].segment.header.ordinal < mark.ordinal:
            return False
        return all(
            self.position(segment.name) >= (size if segment.header.ordinal < mark.ordinal else mark.offset)
            for segment, size in own
            if segment.header.ordinal <= mark.ordinal
        )

    def pending(self, listing: Sequence[Listed]) -> int:
        """Returns how many bytes of some segments the sink does not have."""
        return sum(max(0, size - self.position(segment.name)) for segment, size in listing)

    def is_open(self) -> bool:
        """Returns whether the sink may be tried."""
        return self._clock.monotonic_ns() >= self._not_before_ns

    def wait_s(self, pending: int, *, hurry: bool = False) -> float | None:
        """Says when the sink is due.

        Args:
            pending: How many bytes of this process's own it does not have.
            hurry: Whether somebody waits for them.

        Returns:
            Seconds from now, 0 if it is due; None where nothing is pending.
        """
        if pending == 0:
            self._since_ns = None
            return None
        now_ns = self._clock.monotonic_ns()
        due_ns = self._not_before_ns
        if self.policy.is_eager and not hurry:
            due_ns = max(due_ns, self._linger_until_ns)
        elif not self.policy.is_eager and pending < self.policy.least_bytes:
            self._since_ns = now_ns if self._since_ns is None else self._since_ns
            due_ns = max(due_ns, self._since_ns + int(self.policy.most_wait_s * 1e9))
        return max(0.0, (due_ns - now_ns) / 1e9)

    def try_now(self) -> None:
        """Ends a wait after a failure, unless the server itself has asked for it."""
        if not self._asked:
            self._not_before_ns = 0

    def serve(
        self, listing: Sequence[Listed], *, left: bool = False, settled: Callable[[int], None] | None = None
    ) -> int | None:
        """Gives the sink one batch.

        Args:
            listing: Where to read; what could not be brought to the sink before comes first, as it was.
            left: Whether these are segments that others left.
            settled: Is told how many points are settled before anybody can see that they are: who has waited for them
                must not find them on their way.

        Returns:
            How many points are settled now, 0 where it should be given more of the same batch; None where it has got
            nothing on, or where nothing is pending.
        """
        chunks = self._remembered(listing, left=left) or self._collect(listing)
        self._again[left] = chunks
        began_ns = self._clock.monotonic_ns()
        if not chunks:
            # What can't be read now is looked at again, but not at once.
            self._not_before_ns = began_ns + _UNREADABLE_NS if self.pending(listing) else self._not_before_ns
            return None
        with self._preparing_what_follows(chunks, listing):
            answer = self._taken(chunks)
        took_s = (self._clock.monotonic_ns() - began_ns) / 1e9
        self.slow = self.sink.slow if isinstance(self.sink, Hurried) else took_s >= _SLOW_S
        if answer.taken is not Ack.DONE:
            return self._not_done(answer)
        self._again[left] = ()
        points = sum(count_points(chunk.data) for chunk in chunks)
        if points and settled is not None:
            settled(points)
        self._positions |= {chunk.segment: chunk.end for chunk in chunks}
        self._since_ns = None
        if points:
            self._works()
            full = sum(len(chunk.data) for chunk in chunks) > MAX_BATCH // 2
            linger_s = 0.0 if full else min(_MOST_LINGER_S, max(_LEAST_LINGER_S, _LINGER * took_s))
            self._linger_until_ns = self._clock.monotonic_ns() + int(linger_s * 1e9)
        return points

    def failed(self, answer: WriteResult) -> None:
        """Notes that the sink took nothing, and logs it now and then."""
        now_ns = self._clock.monotonic_ns()
        self._failing_since_ns = self._failing_since_ns if self.failing else now_ns
        self.held = answer.taken is Ack.HOLD
        self.failing = True
        self._asked = answer.wait_s is not None
        wait_s = self._backoff.held() if self.held else self._backoff.failed(answer.wait_s)
        self._not_before_ns = now_ns + int(wait_s * 1e9)
        self.words = answer.words or "it does not say why"
        # That another process is at the history just now is no trouble, and cron would send a mail about it.
        if self.policy.is_eager or self.held or now_ns - self._failing_since_ns >= _UNSAID_NS:
            said = self._quiet.warning("failing", "points wait for %s: %s", self.sink.name, self.words)
            self._warned = self._warned or said

    def oldest_ns(self) -> int | None:
        """Returns the time of the oldest point of this process that is on its way or could not be brought there."""
        points = (first_point(chunk.data) for chunk in self._again[False])
        return next((time_of(point) for point in points if point is not None), None)

    def keep_only(self, segments: set[str]) -> None:
        """Forgets all segments but some: the others are gone."""
        self.forget(self._positions.keys() - segments)

    def forget(self, segments: Collection[str]) -> None:
        """Forgets some segments: they are gone."""
        gone = [name for name in segments if self._positions.pop(name, None) is not None]
        if gone:
            self.sink.forget(sorted(gone))

    def _remembered(self, listing: Sequence[Listed], *, left: bool) -> tuple[Chunk, ...]:
        chunks = self._again[left]
        if not chunks:
            return ()
        here = {segment.name for segment, _ in listing}
        return chunks if all(chunk.segment in here for chunk in chunks) else ()

    def _preparing_what_follows(
        self, chunks: Sequence[Chunk], listing: Sequence[Listed]
    ) -> contextlib.AbstractContextManager[None]:
        if self._ahead is None:
            return contextlib.nullcontext()
        ends = {chunk.segment: chunk.end for chunk in chunks}
        if all(ends.get(segment.name, size) >= size for segment, size in listing):
            return contextlib.nullcontext()  # small ones fill a batch, and who lists them reads the next
        return self._ahead.preparing(lambda: self._collect(listing, ends))

    def _collect(self, listing: Sequence[Listed], done: Mapping[str, int] = _NOTHING) -> tuple[Chunk, ...]:
        chunks: list[Chunk] = []
        room = MAX_BATCH
        for segment, size in listing:
            offset = done.get(segment.name) or self.position(segment.name)
            data = segment.read(offset, room) if offset < size else b""
            if data:
                chunks.append(Chunk(segment=segment.name, offset=offset, data=data, host=segment.header.host))
                room -= len(data)
            if room < _LEAST_READ:
                break
        return tuple(chunks)

    def _taken(self, chunks: Sequence[Chunk]) -> WriteResult:
        try:
            return self.sink.take(chunks)
        except Exception as error:  # noqa: BLE001 - a bug in a sink must not end the thread
            self._quiet.bug("bug", "%s failed to take points", self.sink.name)
            return WriteResult(taken=Ack.RETRY, words=f"it failed with {type(error).__name__}")

    def _not_done(self, answer: WriteResult) -> int | None:
        if answer.taken is Ack.RETRY and answer.wait_s == 0:
            self._works()
            return 0
        self.failed(answer)
        return None

    def _works(self) -> None:
        self._backoff.succeeded()
        self._not_before_ns = 0
        self.failing = self.held = self._asked = False
        self.words = ""
        if self._warned:
            self._warned = False
            _log.info("points are delivered to %s again", self.sink.name)
