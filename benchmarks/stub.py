"""A server that says yes to everything: at once, or after a while. It runs in a process of its own.

`python -m benchmarks.stub DELAY_S RECORDS` prints its port. It speaks just enough HTTP for the clients that are
compared: InfluxDB's writes, OTLP, Sentry's envelopes and pings. It ends when its stdin does.
"""

import asyncio
import base64
import json
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.request import ProxyHandler, build_opener

from benchmarks.interleaved import ROOT

_SEEN = "/seen"
_NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
_EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
_OBJECT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that a stub has answered.

    Args:
        path: What it asked for.
        body: What came with it, as it came.
        gzipped: Whether that is compressed.
    """

    path: str
    body: bytes
    gzipped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stub:
    """A stub as its user sees it.

    Args:
        url: Where it listens.
    """

    url: str

    def seen(self) -> list[Request]:
        """Returns the requests since this was last asked, of a stub that records them."""
        with build_opener(ProxyHandler({})).open(self.url + _SEEN) as answer:
            return [
                Request(path=path, body=base64.b64decode(body), gzipped=gzipped)
                for path, body, gzipped in json.load(answer)
            ]


@contextmanager
def stub(*, delay_s: float = 0.0, records: bool = False) -> Generator[Stub]:
    """Starts a stub.

    Args:
        delay_s: How long it takes to answer, in seconds.
        records: Whether it can tell which requests it got.
    """
    command = [sys.executable, "-m", "benchmarks.stub", str(delay_s), str(int(records))]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Stub(url=f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.communicate()


class _Connection(asyncio.Protocol):
    """One connection: requests come one after another, each answered before the next."""

    def __init__(self, delay_s: float, seen: list[tuple[str, str, bool]] | None) -> None:
        self._delay_s = delay_s
        self._seen = seen
        self._got = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._got[:end]).lower()
            body, over = _body(self._got, head, end + 4)
            if body is None:
                if b"expect: 100-continue" in head and over == 0:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            path = self._got[:end].split(b" ", 2)[1].decode()
            del self._got[:over]
            self._answer(path, body, gzipped=b"content-encoding: gzip" in head)

    def _answer(self, path: str, body: bytes, *, gzipped: bool) -> None:
        if path == _SEEN:
            told = json.dumps(self._seen).encode()
            if self._seen is not None:
                self._seen.clear()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))
            return
        if self._seen is not None:
            self._seen.append((path, base64.b64encode(body).decode(), gzipped))
        answer = _NO_CONTENT if path.startswith("/api/v2/write") else _EMPTY if path.startswith("/v1/") else _OBJECT
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, answer)
        else:
            self._transport.write(answer)


def _body(got: bytearray, head: bytes, start: int) -> tuple[bytes | None, int]:
    """Returns the body and where it ends; None where some of it is still to come."""
    if b"transfer-encoding: chunked" in head:
        return _chunks(got, start)
    at = head.find(b"content-length:")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    if len(got) < start + length:
        return None, len(got) - start
    return bytes(got[start : start + length]), start + length


def _chunks(got: bytearray, start: int) -> tuple[bytes | None, int]:
    body = bytearray()
    while (line := got.find(b"\r\n", start)) >= 0:
        length = int(got[start:line], 16)
        start = line + 2 + length + 2
        if len(got) < start:
            break
        if length == 0:
            return bytes(body), start
        body += got[line + 2 : line + 2 + length]
    return None, len(got) - start


async def _serve(delay_s: float, *, records: bool) -> None:
    seen: list[tuple[str, str, bool]] | None = [] if records else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(delay_s, seen), "127.0.0.1", 0)
    over = asyncio.Event()

    def watch() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=watch, daemon=True).start()
    print(server.sockets[0].getsockname()[1], flush=True)
    await over.wait()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), records=sys.argv[2] == "1"))
