"""One request to the tiny server, in the hands of a test: answered, passed on, broken off, or kept waiting."""

import gzip
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler

from tests.support.influxd import request as ask

_LATE_S = 60.0


@dataclass(frozen=True)
class Reply:
    """What the tiny server answers."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


@dataclass(frozen=True)
class Request:
    """What the tiny server was asked."""

    path: str
    headers: dict[str, str]
    lines: list[bytes]
    port: int
    """The client's, which tells one connection from another."""
    body: bytes
    """As it was before compression."""


class Exchange:
    """A request whose head was read, and nothing else yet."""

    def __init__(self, handler: BaseHTTPRequestHandler, closing: threading.Event) -> None:
        self.handler = handler
        self.length = int(handler.headers["Content-Length"] or 0)
        self._closing = closing
        self.server_url = ""
        """The address of the server behind, where there is one."""

    @cached_property
    def body(self) -> bytes:
        """Reads the body."""
        return self.handler.rfile.read(self.length)

    @cached_property
    def request(self) -> Request:
        """Reads the request to its end."""
        headers = dict(self.handler.headers)
        plain = gzip.decompress(self.body) if self.handler.headers["Content-Encoding"] == "gzip" else self.body
        return Request(self.handler.path, headers, plain.splitlines(), self.handler.client_address[1], plain)

    def answer(self, reply: Reply) -> None:
        """Answers."""
        self.handler.send_response(reply.status)
        for name, value in reply.headers.items():
            self.handler.send_header(name, value)
        self.handler.send_header("Content-Length", str(len(reply.body)))
        self.handler.end_headers()
        self.handler.wfile.write(reply.body)

    def passed_on(self, url: str) -> Reply:
        """Asks another server the same and returns its answer."""
        kept = ("Authorization", "Content-Encoding", "Content-Type")
        headers = {name: value for name, value in self.handler.headers.items() if name in kept}
        path = self.handler.path
        answer = ask(self.handler.command, path if path.startswith("http") else f"{url}{path}", self.body, headers)
        return Reply(answer.status, {}, answer.body)

    def say(self, raw: bytes) -> None:
        """Answers with bytes that need not be HTTP, and hangs up."""
        self.handler.wfile.write(raw)
        self.handler.close_connection = True

    def reset(self) -> None:
        """Breaks the connection off."""
        linger = struct.pack("ii", 1, 0)
        self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.handler.connection.close()
        self.handler.close_connection = True

    def hang(self) -> None:
        """Says nothing until the server is closed."""
        self._closing.wait(_LATE_S)
        self.handler.close_connection = True


Play = Callable[[Exchange], object]
"""What becomes of a request."""
