"""The base of both server sinks: batches, time-outs, counts, dead letters and masked secrets."""

import importlib
import os
import traceback
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from otel_job_measure import forks, names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.delivery import echoes
from otel_job_measure.delivery.batch import Batch, SizeLimit
from otel_job_measure.delivery.influxdb.responses import Kind, NoAnswer, Verdict, short
from otel_job_measure.delivery.lines import points_of
from otel_job_measure.delivery.suppress_tracing import untraced
from otel_job_measure.errors import SettingsError
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Ack, Chunk, DeadLetters, WriteResult
from otel_job_measure.rate_limited_log import LOG, RateLimitedLog, once
from otel_job_measure.settings import Settings

_T = TypeVar("_T")

_once = once()
_GO_S: Final = 5.0
_LEAST_TIMEOUT_S: Final = 0.05
_MOST_UNFINISHED: Final = 4
_ACKS: Final = {Kind.MORE: Ack.MORE, Kind.HOLD: Ack.HOLD, Kind.REFUSED: Ack.REFUSED}
_OURS: Final = tuple(f"{name}{mark}".encode() for name in names.MEASUREMENTS for mark in ", ")
_NOT_OURS: Final = "not sent: its measurement is none of this package's; `ship --any-measurement` sends it"
_LATER: Final = (
    "email.message",  # by the first answer with headers
    "encodings.idna",  # by the first host with a name
    "tokenize",  # by the first traceback in a log
    "tracemalloc",  # by the first warning of a library
)

_connections: "weakref.WeakSet[object]" = weakref.WeakSet()
_of_parents: list[object] = []


class ServerSink(ABC):
    """Sends chunks to a server in batches over connections of its own and translates each answer."""

    name: str
    """Its name among sinks, for logs."""
    title: str
    """The server's name in sentences."""

    def __init__(  # noqa: PLR0913 - the parts of a sink
        self,
        settings: Settings,
        counters: Counters,
        dead_letters: DeadLetters,
        *,
        url: str,
        label: str,
        max_bytes: int,
        timeout_s: float,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._dead_letters = dead_letters
        self._proxy = settings.proxy_for(url)
        if _is_open(url):
            _once.warning("open", "points and secrets are not encrypted on their way to %s: use https://", url)
        if self._proxy is not None and _is_open(self._proxy[:]) and any(echoes.of_proxy(self._proxy[:])):
            message = "the password of the proxy %s is not encrypted on its way there: use an https:// proxy"
            _once.warning("open proxy", message, self._proxy)
        self._label = label
        self._most_timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._limited_log = RateLimitedLog(LOG, self._clock)
        self._limit = SizeLimit(max_bytes)
        self._unfinished: dict[tuple[Chunk, ...], Batch] = {}
        self.reachable: bool | None = None
        """Whether the server answered the last request; None before the first."""
        self.last_success_ns: int | None = None
        """The time at which the server last accepted points, in ns since 1970."""
        self.only_ours = False
        """Whether lines of other measurements than this package's become dead letters instead of being sent."""
        self._masked_last = ("", "")
        self._pid = os.getpid()
        self._wire = self._connect()

    def committed_offset(self, segment: str) -> int:  # noqa: ARG002 - the protocol's
        """Returns 0: a server does not know segments."""
        return 0

    def write(self, chunks: Sequence[Chunk], *, deadline_ns: int | None = None) -> WriteResult:
        """Sends chunks; lines that are settled stay settled if the same chunks come again."""
        try:
            return self._write(tuple(chunks), deadline_ns)
        except Exception as error:  # noqa: BLE001 - a bug of ours or of a library: the points wait
            # Not with its message: that of an HTTP library can hold a header, and so the token.
            where = "".join(traceback.format_tb(error.__traceback__)).replace("%", "%%")
            kind = type(error).__name__
            self._limited_log.warning("bug", f"sending to %s failed with %s at\n{where}", self.title, kind)
            return WriteResult(ack=Ack.RETRY, message=f"sending failed with {kind}")

    def tell(self, lines: Sequence[bytes], *, deadline_ns: int | None = None) -> bool:
        """Sends lines that no journal has, in one attempt; returns whether the server has them.

        They are no points of a run: they are not counted, become no dead letters, and hold nothing back.
        """
        try:
            return all(
                (deadline_ns is None or self._clock.monotonic_ns() < deadline_ns) and self._tell(part, deadline_ns)
                for part in _parts(lines, self._limit.bytes_)
            )
        except Exception as error:  # noqa: BLE001 - the same bugs as in `write`
            self._limited_log.warning(
                "bug in tell", "telling %s what runs failed: %s", self.title, type(error).__name__
            )
            return False

    def tell_last(self, lines: Sequence[bytes]) -> bool:
        """Sends points that could not be written as the process ends, in the same way."""
        deadline_ns = self._clock.monotonic_ns() + int(self._settings.shutdown_timeout_s * 1e9)
        return untraced(partial(self.tell, lines, deadline_ns=deadline_ns))

    def attempt(self, lines: Sequence[bytes], *, timeout_s: float) -> Verdict:
        """Sends lines once, without counting or keeping them, and returns the meaning of the answer."""
        return self._answer(lines, timeout_s)

    def _tell(self, lines: Sequence[bytes], deadline_ns: int | None) -> bool:
        verdict = self._answer(lines, self._timeout_s(deadline_ns))
        self.reachable = self.reachable if verdict.reached is None else verdict.reached
        if verdict.kind not in (Kind.DELIVERED, Kind.RETRY, Kind.HOLD):  # of those two, the points that wait tell
            message = self._masked(verdict.message)
            self._limited_log.warning("tell", "%s refuses rows of what runs now: %s", self.title, short(message))
        if verdict.kind is not Kind.DELIVERED:
            LOG.debug("%d rows of what runs now are not in %s (%s)", len(lines), self.title, self._label)
        return verdict.kind is Kind.DELIVERED

    def forget(self, segments: Sequence[str]) -> None:  # noqa: B027 - the protocol's
        """Does nothing: a server does not know segments."""

    def close(self) -> None:
        """Closes the sink's own connections; those of a parent process are left alone."""
        if os.getpid() == self._pid:
            self._wire.close()

    @abstractmethod
    def _connect(self) -> Any:  # noqa: ANN401 - each sink has a protocol of its own for them
        """Returns new connections to the server."""

    def _connected(self) -> Any:  # noqa: ANN401 - the same
        """Returns the connections of this process: a child of fork cannot use those of its parent."""
        if os.getpid() != self._pid:
            self._wire = self._connect()
            self._pid = os.getpid()
        return self._wire

    @abstractmethod
    def _request(self, lines: Sequence[bytes], timeout_s: float) -> Verdict:
        """Sends lines in one request; raises `NoAnswer`, or `SettingsError` if the token cannot be read."""

    @abstractmethod
    def _secrets(self) -> Iterable[str]:
        """Returns the secrets that the server could repeat in a message."""

    def _masked(self, message: str) -> str:
        secrets = [*self._secrets(), *(() if self._proxy is None else echoes.of_proxy(self._proxy[:]))]
        return echoes.masked(message, secrets)

    def _write(self, chunks: tuple[Chunk, ...], deadline_ns: int | None) -> WriteResult:
        batch = self._batch_of(chunks)
        before = batch.delivered
        over_ns = self._clock.monotonic_ns() + int(_GO_S * 1e9)
        verdict = batch.run(
            lambda lines: self._post(lines, deadline_ns),
            enough=lambda: deadline_ns is not None or self._clock.monotonic_ns() >= over_ns,
        )
        if batch.delivered > before:
            LOG.debug("%d points are in %s (%s)", batch.delivered - before, self.title, self._label)
        if verdict.kind is Kind.DELIVERED:
            return WriteResult(ack=Ack.DONE)
        while len(self._unfinished) >= _MOST_UNFINISHED:
            del self._unfinished[next(iter(self._unfinished))]
        self._unfinished[chunks] = batch
        return WriteResult(ack=_ACKS.get(verdict.kind, Ack.RETRY), wait_s=verdict.wait_s, message=verdict.message)

    def _batch_of(self, chunks: tuple[Chunk, ...]) -> Batch:
        """Returns the batch of these chunks, or of the first of them with the others behind it, or a new one."""
        known = next((known for known in self._unfinished if known == chunks[: len(known)]), ())
        batch = self._unfinished.pop(known, None)
        lines: Sequence[bytes] = points_of(chunk.data for chunk in chunks[len(known) :])
        foreign = [line for line in lines if not line.startswith(_OURS)] if self.only_ours else []
        if foreign:
            lines = [line for line in lines if line.startswith(_OURS)]
        if batch is None:
            batch = Batch(lines, counters=self._counters, reject=self._reject, limit=self._limit)
        else:
            batch.extend(lines)
        batch.refuse(foreign, _NOT_OURS)
        return batch

    def _post(self, lines: Sequence[bytes], deadline_ns: int | None) -> Verdict:
        verdict = self._answer(lines, self._timeout_s(deadline_ns))
        self.reachable = self.reachable if verdict.reached is None else verdict.reached
        if verdict.kind in (Kind.DELIVERED, Kind.PARTIAL):
            self.last_success_ns = self._clock.wall_ns()
            if verdict.message and verdict.kind is Kind.DELIVERED:
                self._limited_log.warning("said", "%s", verdict.message)
        return verdict

    def _answer(self, lines: Sequence[bytes], timeout_s: float) -> Verdict:
        try:
            return self._request(lines, timeout_s)
        except SettingsError as error:
            return Verdict(kind=Kind.HOLD, message=str(error), reached=False)
        except NoAnswer as missing:
            kind = Kind.HOLD if missing.hold else Kind.RETRY
            return Verdict(kind=kind, message=self._masked(str(missing)), reached=False)

    def _timeout_s(self, deadline_ns: int | None) -> float:
        if deadline_ns is None:
            return self._most_timeout_s
        left_s = (deadline_ns - self._clock.monotonic_ns()) / 1e9
        return max(_LEAST_TIMEOUT_S, min(self._most_timeout_s, left_s))

    @property
    def server(self) -> str | None:
        """Returns the name and version of the server; None if it does not say."""
        return None

    def _reject(self, line: bytes, message: str) -> None:
        if message != self._masked_last[0]:  # thousands of lines can be refused with the same words
            self._masked_last = (message, self._masked(message))
        message = self._masked_last[1]
        self._limited_log.warning(
            "rejected",
            "%s refuses a point: %s; `otel-job-measure rejected` shows all refused points",
            self.title,
            short(message),
        )
        try:
            self._dead_letters.put(line, message)
        except Exception:  # noqa: BLE001 - a full disk must not stop the other lines
            self._limited_log.bug("dead letters", "a point that %s refused could not be kept", self.title)


def _parts(lines: Sequence[bytes], most: int) -> Iterator[Sequence[bytes]]:
    """Yields lines without their newlines, as many at a time as one request may have."""
    part: list[bytes] = []
    size = 0
    for line in lines:
        if part and size + len(line) > most:
            yield part
            part, size = [], 0
        part.append(line.removesuffix(b"\n"))
        size += len(line)
    if part:
        yield part


def _is_open(url: str) -> bool:
    """Returns whether requests to another machine are not encrypted."""
    host = urlsplit(url).hostname or ""
    return url.startswith("http:") and host not in {"localhost", "::1"} and not host.startswith("127.")


def load(client: Callable[[], _T]) -> _T:
    """Imports everything that requests may need, then calls a function that imports a client, while forks wait.

    The import of ours is a statement in that function, because tools that freeze an app follow no computed name.
    """
    with forks.fork_gate():
        for name in _LATER:
            importlib.import_module(name)
        return client()


def never_collect_in_children(connections: object) -> None:
    """Keeps connections for ever in each child of fork: to close them there takes a lock that may be held."""
    _connections.add(connections)
    forks.register(forks.Order.CONNECTIONS, _keep)


def _keep() -> None:
    _of_parents.extend(_connections)
