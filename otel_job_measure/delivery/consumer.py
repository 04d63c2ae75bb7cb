"""One sink as the shipper sees it: its committed offsets, when it is due, and the batch it was given last."""

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.delivery.backoff import Backoff
from otel_job_measure.delivery.checkpoints import Checkpoints
from otel_job_measure.delivery.lines import count_points, first_point, time_of
from otel_job_measure.journal.interfaces import Ack, Chunk, Position, Segment, Sink, WriteResult
from otel_job_measure.rate_limited_log import LOG, RateLimitedLog

MAX_BATCH: Final = 900_000
SLOW_S: Final = 1.0
_MOST_REFUSED: Final = 4 * MAX_BATCH
"""How much comes behind points that are refused for an unknown reason."""
_LEAST_READ: Final = 4096
_LEAST_LINGER_S: Final = 0.05
_MOST_LINGER_S: Final = 1.0
_LINGER: Final = 4.0  # times what the last answer took: a slow server is asked less often
_UNREADABLE_NS: Final = 1_000_000_000
_UNSAID_NS: Final = 60_000_000_000


class Listed(NamedTuple):
    """A segment and its size at the time of the listing."""

    segment: Segment
    size: int


class Policy(NamedTuple):
    """The times at which a sink is served."""

    least_bytes: int = 0
    """The number of bytes that makes it due at once."""
    most_wait_s: float = 0.0
    """The wait for fewer bytes, in seconds; 0 for an eager sink."""
    patience_s: float | None = None
    """How long a segment that all other sinks have is kept while this sink is on hold; None for ever."""

    @property
    def is_eager(self) -> bool:
        """Returns whether the sink is served at once."""
        return self.most_wait_s <= 0


EAGER: Final = Policy()
LAZY: Final = Policy(least_bytes=1024 * 1024, most_wait_s=60.0, patience_s=3600.0)


class Served(Enum):
    """The outcome of one batch."""

    DONE = "done"
    MORE = "more"
    """The sink settled a part of the batch; serve it again at once."""
    FAILED = "failed"
    NOTHING = "nothing"
    """There was nothing to read."""

    @property
    def moved(self) -> bool:
        """Returns whether points moved on."""
        return self in (Served.DONE, Served.MORE)


class Consumer:
    """Brings chunks to one sink. Only the shipper's thread uses it; other threads may read its plain attributes."""

    def __init__(
        self,
        sink: Sink,
        policy: Policy = EAGER,
        *,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.sink = sink
        self.policy = policy
        self.failing = False
        """Whether the last write failed."""
        self.held = False
        """Whether delivery is blocked until the configuration changes."""
        self.slow = False
        """Whether the last write took a second or more."""
        self.message = ""
        """Why the last write failed, and what to set."""
        self._clock = clock or SystemClock()
        self._backoff = backoff or Backoff()
        self._checkpoints = checkpoints or Checkpoints()
        self._limited_log = RateLimitedLog(LOG, self._clock)
        self._warned = False
        self._failing_since_ns = 0
        # The batch that is not done, of this process's own segments and of those left by others.
        self._held_batch: dict[bool, tuple[Chunk, ...]] = {False: (), True: ()}
        self._refused = {False: False, True: False}
        self._own_not_before_ns = 0
        self._set_aside_ns: dict[str, int] = {}
        self._not_before_ns = 0
        self._server_asked = False
        self._linger_until_ns = 0
        self._since_ns: int | None = None

    def committed_offset(self, segment: str) -> int:
        """Returns how many bytes of a segment the sink has."""
        return self._checkpoints.offset(segment, self._ask)

    def has_all(self, listed: Listed) -> bool:
        """Returns whether the sink has a whole segment; a size of 0 means that the segment could not be read."""
        segment, size = listed
        return 0 < size <= self.committed_offset(segment.name)

    def gives_up_after(self, had_s: float) -> bool:
        """Returns whether this sink may lose a segment that the eager sinks have had for so many seconds."""
        return self.held and self.policy.patience_s is not None and had_s >= self.policy.patience_s

    def reaches(self, mark: Position, own: Sequence[Listed]) -> bool:
        """Returns whether the sink has everything before a position of the journal with these segments."""
        if mark <= (0, 0):
            return True
        if not own or own[-1].segment.header.ordinal < mark.ordinal:
            return False
        return all(
            self.committed_offset(segment.name) >= (size if segment.header.ordinal < mark.ordinal else mark.offset)
            for segment, size in own
            if segment.header.ordinal <= mark.ordinal
        )

    def pending(self, listing: Sequence[Listed]) -> int:
        """Returns how many bytes of some segments the sink lacks."""
        return sum(max(0, size - self.committed_offset(segment.name)) for segment, size in listing)

    def has_lost(self, listing: Sequence[Listed]) -> bool:
        """Returns whether another program has deleted all that the sink lacks of some segments, and logs that."""
        lacking = [listed.segment for listed in listing if self.pending([listed])]
        is_lost = bool(lacking) and not any(segment.read(0, 1) for segment in lacking)
        if is_lost:
            self._limited_log.warning("lost", "points of this process were deleted before %s had them", self.sink.name)
        return is_lost

    @property
    def refuses(self) -> bool:
        """Returns whether points wait because the sink refuses them for an unknown reason."""
        return self._refused[False] or bool(self._set_aside_ns)

    def is_open(self) -> bool:
        """Returns whether the wait after the last failure is over."""
        return self._clock.monotonic_ns() >= self._not_before_ns

    def wait_s(self, pending: int, *, hurry: bool = False) -> float | None:
        """Returns the seconds until the sink is due; None if nothing is pending. `hurry` means that a flush waits."""
        if pending == 0:
            self._since_ns = None
            return None
        now_ns = self._clock.monotonic_ns()
        due_ns = max(self._not_before_ns, self._own_not_before_ns)
        if self.policy.is_eager and not hurry:
            due_ns = max(due_ns, self._linger_until_ns)
        elif not self.policy.is_eager and pending < self.policy.least_bytes:
            self._since_ns = now_ns if self._since_ns is None else self._since_ns
            due_ns = max(due_ns, self._since_ns + int(self.policy.most_wait_s * 1e9))
        return max(0.0, (due_ns - now_ns) / 1e9)

    def try_now(self) -> None:
        """Ends the wait after a failure, unless the server asked for it."""
        self._own_not_before_ns = 0
        self._set_aside_ns = dict.fromkeys(self._set_aside_ns, 0)
        if not self._server_asked:
            self._not_before_ns = 0

    def serve(
        self,
        listing: Sequence[Listed],
        *,
        left: bool = False,
        deadline_ns: int | None = None,
        settled: Callable[[int], None] | None = None,
    ) -> Served:
        """Writes one batch of own segments or of left ones; a batch that is not done comes again.

        It comes unchanged, but with later points behind it if the sink refused it for an unknown reason: if the sink
        takes those, the fault is in lines of the batch.

        `settled` gets the number of settled points before the offsets show it: a flush that ends then must not
        count them as pending.
        """
        chunks = self._held(listing, left=left)
        self._refused[left] = self._refused[left] and bool(chunks)
        if not chunks or self._refused[left]:
            chunks += self._collect(listing, chunks)
        self._held_batch[left] = chunks
        began_ns = self._clock.monotonic_ns()
        if not chunks:
            # A segment that cannot be read now is read again, but not at once.
            unread = self.pending([each for each in listing if not self._is_set_aside(each.segment.name)])
            self._not_before_ns = began_ns + _UNREADABLE_NS if unread else self._not_before_ns
            return Served.NOTHING
        result = self._write(chunks, deadline_ns)
        took_s = (self._clock.monotonic_ns() - began_ns) / 1e9
        self.slow = took_s >= SLOW_S
        self._refused[left] = result.ack is Ack.REFUSED
        if result.ack is Ack.DONE:
            self._held_batch[left] = ()
            self._done(chunks, took_s, settled)
            return Served.DONE
        if result.ack is Ack.MORE:
            self._works()
            return Served.MORE
        if result.ack is Ack.REFUSED:
            return self._wait_refused(chunks, listing, result.message, left=left)
        self._failed(result)
        return Served.FAILED

    def oldest_ns(self) -> int | None:
        """Returns the time of the oldest point in the own batch that is not done."""
        points = (first_point(chunk.data) for chunk in self._held_batch[False])
        return next((time_of(point) for point in points if point is not None), None)

    def keep_only(self, segments: set[str]) -> None:
        """Forgets all segments but some: the others are deleted."""
        self._come_back(self._set_aside_ns.keys() - segments)
        self._tell_sink(self._checkpoints.keep_only(segments))

    def forget(self, segments: Collection[str]) -> None:
        """Forgets deleted segments."""
        self._come_back(segments)
        self._tell_sink(self._checkpoints.forget(segments))

    def _tell_sink(self, gone: list[str]) -> None:
        if gone:
            self.sink.forget(gone)

    def _ask(self, segment: str) -> int:
        try:
            return self.sink.committed_offset(segment)
        except Exception:  # noqa: BLE001 - a bug in a sink must not stop the others; its points are sent again
            self._limited_log.bug("offset", "%s failed to return its committed offset", self.sink.name)
            return 0

    def _held(self, listing: Sequence[Listed], *, left: bool) -> tuple[Chunk, ...]:
        chunks = self._held_batch[left]
        here = {segment.name for segment, _ in listing} if chunks else ()
        return chunks if all(chunk.segment in here for chunk in chunks) else ()

    def _wait_refused(self, chunks: Sequence[Chunk], listing: Sequence[Listed], message: str, *, left: bool) -> Served:
        """Sends later points behind the refused ones at once; without any, the refused ones wait, and no others."""
        if self._collect(listing, chunks):
            return Served.MORE
        again_ns = self._clock.monotonic_ns() + int(self._backoff.held() * 1e9)
        self.message = message
        self._tell()
        if left:
            self._held_batch[True] = ()
            self._set_aside_ns |= dict.fromkeys((chunk.segment for chunk in chunks), again_ns)
            return Served.MORE
        self._own_not_before_ns = again_ns
        self.failing = True
        return Served.FAILED

    def _is_set_aside(self, segment: str) -> bool:
        return self._clock.monotonic_ns() < self._set_aside_ns.get(segment, 0)

    def _collect(self, listing: Sequence[Listed], before: Sequence[Chunk]) -> tuple[Chunk, ...]:
        chunks: list[Chunk] = []
        read = {chunk.segment: chunk.end for chunk in before}
        room = min(MAX_BATCH, _MOST_REFUSED - sum(len(chunk.data) for chunk in before))
        for segment, size in listing:
            if room < _LEAST_READ:
                break
            if self._is_set_aside(segment.name):
                continue
            offset = read.get(segment.name) or self.committed_offset(segment.name)
            data = segment.read(offset, room) if offset < size else b""
            if data:
                chunks.append(Chunk(segment=segment.name, offset=offset, data=data, host=segment.header.host))
                room -= len(data)
        return tuple(chunks)

    def _write(self, chunks: Sequence[Chunk], deadline_ns: int | None) -> WriteResult:
        try:
            return self.sink.write(chunks, deadline_ns=deadline_ns)
        except Exception as error:  # noqa: BLE001 - a bug in a sink must not end the thread
            self._limited_log.bug("bug", "%s failed to write points", self.sink.name)
            return WriteResult(ack=Ack.RETRY, message=f"it failed with {type(error).__name__}")

    def _done(self, chunks: Sequence[Chunk], took_s: float, settled: Callable[[int], None] | None) -> None:
        points = sum(count_points(chunk.data) for chunk in chunks)
        if points and settled is not None:
            settled(points)
        self._checkpoints.advance({chunk.segment: chunk.end for chunk in chunks})
        self._come_back(chunk.segment for chunk in chunks)
        self._since_ns = None
        if points:  # comments need no request and say nothing about the server
            self._works()
            full = sum(len(chunk.data) for chunk in chunks) > MAX_BATCH // 2
            linger_s = 0.0 if full else min(_MOST_LINGER_S, max(_LEAST_LINGER_S, _LINGER * took_s))
            self._linger_until_ns = self._clock.monotonic_ns() + int(linger_s * 1e9)

    def _failed(self, result: WriteResult) -> None:
        now_ns = self._clock.monotonic_ns()
        self._failing_since_ns = self._failing_since_ns if self.failing else now_ns
        self.held = result.ack is Ack.HOLD
        self.failing = True
        self._server_asked = result.wait_s is not None
        wait_s = self._backoff.held() if self.held else self._backoff.failed(result.wait_s)
        self._not_before_ns = now_ns + int(wait_s * 1e9)
        self.message = result.message or "it gives no reason"
        # A history that another process uses just now is no failure, and cron would send a mail about it.
        if self.policy.is_eager or self.held or now_ns - self._failing_since_ns >= _UNSAID_NS:
            self._tell()

    def _tell(self) -> None:
        said = self._limited_log.warning("failing", "points wait for %s: %s", self.sink.name, self.message)
        self._warned = self._warned or said

    def _come_back(self, segments: Iterable[str]) -> None:
        for segment in segments:
            self._set_aside_ns.pop(segment, None)

    def _works(self) -> None:
        self._backoff.succeeded()
        self._not_before_ns = 0
        self.held = self._server_asked = False
        self.failing = self._refused[False]
        if self.refuses:
            return
        self.message = ""
        if self._warned:
            self._warned = False
            LOG.info("points are delivered to %s again", self.sink.name)
