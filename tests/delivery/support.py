"""Fakes of both sides of the shipper, and a tiny HTTP server that answers as it is told."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from otel_job_measure.journal.interfaces import Ack, Chunk, Identity, Position, Segment, SegmentHeader, WriteResult
from otel_job_measure.settings import Settings
from otel_job_measure.testing import ManualClock
from tests.delivery.exchange import Exchange, Play, Reply, Request

CA_FILE = Path(__file__).with_name("ca.pem")
SERVER_PEM = Path(__file__).with_name("server.pem")
DONE = WriteResult(ack=Ack.DONE)
RETRY = WriteResult(ack=Ack.RETRY, message="refused")
HOLD = WriteResult(ack=Ack.HOLD, message="set something")


def line(number: int, time_ns: int = 1_800_000_000_000_000_000) -> bytes:
    """Returns a start line."""
    return f'scheduling-job,job=j uuid="{number:012}",status="start" {time_ns + number}'.encode()


@dataclass(eq=False)
class FakeSegment:
    name: str
    header: SegmentHeader
    data: bytes = b""
    deleted: bool = False

    def size(self) -> int:
        return 0 if self.deleted else self.data.rfind(b"\n") + 1

    def read(self, offset: int, limit: int) -> bytes:
        if self.deleted:
            return b""
        data = self.data[offset : offset + limit]
        whole = data[: data.rfind(b"\n") + 1]
        if whole or offset + limit >= len(self.data):
            return whole
        return self.read(offset, 2 * limit)

    def delete(self) -> None:
        self.deleted = True


def segment(name: str, *lines: bytes, ordinal: int = 0) -> FakeSegment:
    """Returns a segment with a header line and some others."""
    identity = Identity(host="h", boot_id="b", destination="d", label="D", runs=True)
    header = SegmentHeader(identity, slot=1, ordinal=ordinal, created_ns=1)
    return FakeSegment(name, header, b"".join(text + b"\n" for text in (b"# header", *lines)))


class FakeSource:
    """A journal in memory: what this process writes, and what others left."""

    def __init__(self) -> None:
        self.segments = [segment("own-0")]
        self.others: list[FakeSegment] | None = []
        self.window = 1000
        self.dropped: list[str] = []
        self.lost: list[str] = []
        self.adopted = 0
        self.kept_up = 0
        self.looked = 0
        self.trouble: Exception | None = None
        self.wake: Callable[[], object] = int

    def append(self, *lines: bytes) -> Position:
        self.segments[-1].data += b"".join(text + b"\n" for text in lines)
        self.wake()
        return self.tail()

    def rotate(self, *lines: bytes) -> None:
        ordinal = self.segments[-1].header.ordinal + 1
        self.segments = [*self.segments, segment(f"own-{ordinal}", *lines, ordinal=ordinal)]

    def tail(self) -> Position:
        return Position(self.segments[-1].header.ordinal, self.segments[-1].size())

    def own(self) -> Sequence[Segment]:
        if self.trouble:
            raise self.trouble
        return tuple(self.segments)

    @contextlib.contextmanager
    def left(self) -> Generator[Iterable[Sequence[Segment]] | None]:
        self.looked += 1
        others = None if self.others is None else tuple(self.others)
        yield None if others is None else (others[at : at + self.window] for at in range(0, len(others), self.window))

    def recover(self) -> None:
        self.adopted += 1

    def maintain(self) -> None:
        self.kept_up += 1

    def drop(self, segment: Segment, *, is_lost: bool = False) -> None:
        self.dropped.append(segment.name)
        self.lost += [segment.name] if is_lost else []
        self.segments = [own for own in self.segments if own.name != segment.name or own is self.segments[-1]]
        self.others = None if self.others is None else [left for left in self.others if left.name != segment.name]


class ListSink:
    """A sink that keeps what it takes, unless it is told to answer something else."""

    def __init__(self, name: str = "list", positions: dict[str, int] | None = None) -> None:
        self.name = name
        self.positions = positions or {}
        self.lines: list[bytes] = []
        self.batches: list[tuple[Chunk, ...]] = []
        self.answers: list[WriteResult | Exception] = []
        self.always: WriteResult = DONE
        self.forgotten: list[str] = []
        self.closed = 0
        self.during: Callable[[], object] = int

    def committed_offset(self, segment: str) -> int:
        return self.positions.get(segment, 0)

    def write(self, chunks: Sequence[Chunk], *, deadline_ns: int | None = None) -> WriteResult:
        self.batches.append(tuple(chunks))
        self.during()
        answer = self.answers.pop(0) if self.answers else self.always
        if isinstance(answer, Exception):
            raise answer
        if answer.ack is Ack.DONE:
            for chunk in chunks:
                self.lines += [text for text in chunk.data.splitlines() if not text.startswith(b"#")]
        return answer

    def forget(self, segments: Sequence[str]) -> None:
        self.forgotten += segments

    def close(self) -> None:
        self.closed += 1


class ListRejects:
    def __init__(self) -> None:
        self.kept: list[tuple[bytes, str]] = []

    def put(self, line: bytes, words: str) -> None:
        self.kept.append((line, words))


def is_word(body: bytes) -> bool:
    """Returns whether a request has only rows of senders: as lines, or as log records."""
    return b"scheduling-job-sender" in body and b"uuid=" not in body and b"scheduling.job.run_id" not in body


class TinyServer:
    """Answers writes as it is told, on a free port; `always` where nothing else is left in `replies`.

    What a `Reply` can't say, `play` does: it is given each exchange whose request was not answered yet.
    """

    def __init__(
        self, *, tls: bool | ssl.SSLContext = False, host: str = "127.0.0.1", clients: Path | None = None
    ) -> None:
        self.replies: list[Reply] = []
        self.always = Reply()
        self.requests: list[Request] = []
        self.words: list[Request] = []
        """What senders said of themselves, which is not about rows of runs."""
        self.during: Callable[[], object] = int
        self.play: Play = self._reply
        self.asked: Play = lambda exchange: exchange.answer(Reply(status=501))
        """What becomes of a GET, with which a reader asks what server it is."""
        self._closing = threading.Event()
        tiny = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                tiny.play(Exchange(self, tiny._closing))

            def do_GET(self) -> None:
                tiny.asked(Exchange(self, tiny._closing))

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that hangs up, or that doesn't trust us

        self._server = Server((host, 0), Handler)
        if tls:
            context = server_context() if tls is True else tls
            if clients is not None:  # the authority of the certificates that it demands
                context.load_verify_locations(clients)
                context.verify_mode = ssl.CERT_REQUIRED
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = int(self._server.server_address[1])
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def _reply(self, exchange: Exchange) -> None:
        if is_word(exchange.request.body):
            self.words.append(exchange.request)
            exchange.answer(self.always)
            return
        self.requests.append(exchange.request)
        self.during()
        exchange.answer(self.replies.pop(0) if self.replies else self.always)

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def server_context(pem: Path = SERVER_PEM) -> ssl.SSLContext:
    """Returns the TLS of a server with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def settings_for(url: str, **more: Any) -> Settings:  # noqa: ANN401 - any of the arguments of Settings
    """Returns settings that deliver to a server."""
    arguments: dict[str, Any] = {
        "influxdb_url": url,
        "influxdb_token": "a-secret-token",
        "influxdb_org": "o",
        "influxdb_bucket": "b",
        "timeout_s": 60.0,
    }
    return Settings(**(arguments | more))


def chunks_of(*segments: FakeSegment) -> list[Chunk]:
    """Returns each segment as one chunk."""
    return [Chunk(segment=one.name, offset=0, data=one.data) for one in segments]


__all__ = [
    "CA_FILE",
    "DONE",
    "HOLD",
    "RETRY",
    "FakeSegment",
    "FakeSource",
    "ListRejects",
    "ListSink",
    "ManualClock",
    "Reply",
    "Request",
    "TinyServer",
    "chunks_of",
    "line",
    "segment",
    "server_context",
    "settings_for",
]
