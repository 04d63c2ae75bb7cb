"""A sink that is a server: what is the same for each of them."""

import logging
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.delivery.batch import Batch, SizeLimit
from otel_job_measure.delivery.checkpoints import Progress
from otel_job_measure.delivery.influxdb.responses import Kind, NoAnswer, Verdict, short
from otel_job_measure.delivery.physical import Points, points_of
from otel_job_measure.errors import SettingsError
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Ack, Chunk, Rejects, WriteResult
from otel_job_measure.rate_limited_log import RateLimitedLog

_log = logging.getLogger(names.LOGGER)

SLOW_S: Final = 1.0
_GO_S: Final = 5.0
_LEAST_TIMEOUT_S: Final = 0.05
_MOST_UNFINISHED: Final = 4

_Key = tuple[tuple[str, int, int], ...]


class ServerSink(ABC):
    """Brings chunks to a server in batches, each request once, and says of each answer what it means for them.

    Args:
        counters: Where points are counted.
        rejects: Where the lines go that the server will never take.
        label: The server in words, for people.
        max_bytes: How much is sent at once, in bytes of lines.
        timeout_s: How long a request may take, in seconds.
        clock: The machine's clocks.
        progress: Remembers what was sent of the segments of others; None where this process sees to its own.
    """

    name: str
    """What it is called in logs, among sinks."""
    title: str
    """What the server is called in sentences."""

    def __init__(  # noqa: PLR0913 - what there is to say about where and how
        self,
        counters: Counters,
        rejects: Rejects,
        *,
        label: str,
        max_bytes: int,
        timeout_s: float,
        clock: Clock | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._counters = counters
        self._rejects = rejects
        self._label = label
        self._most_timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._progress = progress
        self._quiet = RateLimitedLog(_log, self._clock)
        self._limit = SizeLimit(max_bytes)
        self._unfinished: dict[_Key, Batch] = {}
        self._prepared: tuple[_Key, Points] | None = None
        self._ends_ns: int | None = None
        self._patient = True
        self.slow = False
        """Whether the last request took a second or more."""
        self.reachable: bool | None = None
        """Whether the server answered the last request; None before the first."""
        self.last_success_ns: int | None = None
        """When the server last took points, in ns since 1970."""

    def position(self, segment: str) -> int:
        """Returns how much of a segment the server has, as far as that was remembered."""
        return 0 if self._progress is None else self._progress.position(segment)

    def take(self, chunks: Sequence[Chunk]) -> WriteResult:
        """Sends chunks; what is settled of them stays so when the same chunks come again."""
        key = _key(chunks)
        try:
            answer = self._take(chunks, self._batch(key, chunks))
        except Exception as error:  # noqa: BLE001 - a bug of ours or of a library: the points wait
            # Not with its message: that of an HTTP library can hold a header, and so the token.
            where = "".join(traceback.format_tb(error.__traceback__))
            self._quiet.warning("bug", "sending to %s failed with %s at\n%s", self.title, type(error).__name__, where)
            return WriteResult(taken=Ack.RETRY, words=f"sending failed with {type(error).__name__}")
        if answer.taken is Ack.DONE:
            del self._unfinished[key]
        return answer

    def prepare(self, chunks: Sequence[Chunk]) -> None:
        """Gets chunks ready that come next; it may be called while others are on their way."""
        points = points_of(chunk.data for chunk in chunks)
        points.packed = self._packed(points)
        self._prepared = _key(chunks), points

    def forget(self, segments: Sequence[str]) -> None:
        """Is told that these segments are gone."""
        if self._progress is not None:
            self._progress.forget(segments)

    def hurry(self, ends_ns: int, *, patient: bool) -> None:
        """Is told that the process ends.

        Args:
            ends_ns: When nothing may be under way any more, by the monotonic clock.
            patient: Whether to go on after a request that took a second.
        """
        self._ends_ns = ends_ns
        self._patient = patient

    @abstractmethod
    def close(self) -> None:
        """Closes our connections."""

    @abstractmethod
    def _request(self, lines: Sequence[bytes], timeout_s: float) -> Verdict:
        """Sends lines in one request and says what the answer means.

        Raises:
            NoAnswer: There was none.
            SettingsError: Something that is looked up for each request is not there.
        """

    def _packed(self, points: Points) -> bytes | None:  # noqa: ARG002 - of others
        """Returns the body of their request; None where it takes no time to make."""
        return None

    def _batch(self, key: _Key, chunks: Sequence[Chunk]) -> Batch:
        batch = self._unfinished.get(key)
        if batch is None:
            prepared, points = self._prepared or ((), None)
            batch = Batch(
                points if points and prepared == key else points_of(chunk.data for chunk in chunks),
                counters=self._counters,
                reject=self._reject,
                limit=self._limit,
            )
            while len(self._unfinished) >= _MOST_UNFINISHED:
                del self._unfinished[next(iter(self._unfinished))]
            self._unfinished[key] = batch
        return batch

    def _take(self, chunks: Sequence[Chunk], batch: Batch) -> WriteResult:
        before = batch.delivered
        verdict = batch.run(self._post, enough=self._enough())
        if batch.delivered > before:
            _log.debug("%d points are in %s (%s)", batch.delivered - before, self.title, self._label)
        if verdict.kind is Kind.DELIVERED:
            if self._progress is not None:
                self._progress.advance({chunk.segment: chunk.end for chunk in chunks})
            return WriteResult(taken=Ack.DONE)
        taken = Ack.HOLD if verdict.kind is Kind.HOLD else Ack.RETRY
        return WriteResult(taken=taken, wait_s=verdict.wait_s, words=verdict.words)

    def _enough(self) -> Callable[[], bool]:
        over_ns = self._clock.monotonic_ns() + int(_GO_S * 1e9)

        def enough() -> bool:
            over = self._clock.monotonic_ns() >= min(over_ns, self._ends_ns or over_ns)
            return over or (self.slow and not self._patient)

        return enough

    def _post(self, lines: Sequence[bytes]) -> Verdict:
        began_ns = self._clock.monotonic_ns()
        verdict = self._sent(lines, self._timeout_s(began_ns))
        self.slow = self._clock.monotonic_ns() - began_ns >= SLOW_S * 1e9
        self.reachable = self.reachable if verdict.reached is None else verdict.reached
        if verdict.kind in (Kind.DELIVERED, Kind.PARTIAL):
            self.last_success_ns = self._clock.wall_ns()
            if verdict.words and verdict.kind is Kind.DELIVERED:  # what is rejected is logged as such
                self._quiet.warning("said", "%s", verdict.words)
        return verdict

    def _sent(self, lines: Sequence[bytes], timeout_s: float) -> Verdict:
        try:
            return self._request(lines, timeout_s)
        except SettingsError as error:  # the file with the token
            return Verdict(kind=Kind.HOLD, words=str(error), reached=False)
        except NoAnswer as missing:
            kind = Kind.HOLD if missing.hold else Kind.RETRY
            return Verdict(kind=kind, words=str(missing), reached=False)

    def _timeout_s(self, now_ns: int) -> float:
        if self._ends_ns is None:
            return self._most_timeout_s
        left_s = (self._ends_ns - now_ns) / 1e9
        return max(_LEAST_TIMEOUT_S, min(self._most_timeout_s, left_s))

    def _reject(self, line: bytes, words: str) -> None:
        self._quiet.warning(
            "rejected",
            "%s refuses a point: %s; `otel-job-measure rejected` shows what it refused",
            self.title,
            short(words),
        )
        try:
            self._rejects.put(line, words)
        except Exception:  # noqa: BLE001 - a full disk must not stop the other lines
            self._quiet.bug("rejects", "a line that %s refused could not be kept", self.title)


def _key(chunks: Sequence[Chunk]) -> _Key:
    return tuple((chunk.segment, chunk.offset, chunk.end) for chunk in chunks)
