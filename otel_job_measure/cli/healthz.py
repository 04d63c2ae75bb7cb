"""A small HTTP server that tells the probes of Kubernetes and of load balancers how `ship` is doing.

It is one thread on plain sockets, which loads no module and answers one request after the other.
"""

import argparse
import socket
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

LIVE: Final = "/livez"
HEALTHY: Final = "/healthz"
_LOCAL: Final = "127.0.0.1"
_MOST_PORT: Final = 65_535
_PATIENCE_S: Final = 2.0
_MOST_REQUEST: Final = 8192
_WORDS: Final = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class State(NamedTuple):
    """What the server tells: the trouble of the process, and that of its delivery; empty if there is none."""

    stuck: str = ""
    failing: str = ""


def address(text: str) -> tuple[str, int]:
    """Reads `PORT` or `ADDRESS:PORT`, for argparse."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if colon else _LOCAL
    if not (host and port.isascii() and port.isdigit() and int(port) <= _MOST_PORT):
        raise argparse.ArgumentTypeError(f"{text!a} is not PORT or ADDRESS:PORT")
    return host, int(port)


class HealthServer:
    """Answers `/livez` and `/healthz` until it is closed.

    Args:
        where: The address and the port to listen on; 0 for any free port.
        state: Returns the state; called on the server's thread.

    Raises:
        OSError: The address cannot be used.
    """

    def __init__(self, where: tuple[str, int], state: Callable[[], State]) -> None:
        family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        self._socket = socket.create_server(where, family=family)
        self.port = int(self._socket.getsockname()[1])
        self._state = state
        self._thread = threading.Thread(target=self._serve, name="otel-job-measure-healthz", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops it."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.settimeout(_PATIENCE_S)
                    connection.sendall(self._answer(_request_line(connection)))
                except OSError:  # the client is slow, or gone
                    continue

    def _answer(self, request: bytes) -> bytes:
        method, path = ([*request.decode("latin-1").split(" "), "", ""])[:2]
        status, words = self._judged(path.partition("?")[0])
        if method not in ("GET", "HEAD"):
            status, words = 405, "only GET and HEAD"
        body = f"{words}\n".encode()
        head = f"HTTP/1.1 {status} {_WORDS[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        return head.encode() + (b"" if method == "HEAD" else body)

    def _judged(self, path: str) -> tuple[int, str]:
        state = self._state()
        troubles = {LIVE: state.stuck, HEALTHY: state.stuck or state.failing}
        if path not in troubles:
            return 404, f"there are {LIVE} and {HEALTHY}"
        return (503, troubles[path]) if troubles[path] else (200, "ok")


def _request_line(connection: socket.socket) -> bytes:
    read = b""
    while b"\r\n\r\n" not in read and b"\n\n" not in read:
        part = connection.recv(_MOST_REQUEST)
        read += part
        if not part or len(read) > _MOST_REQUEST:
            break
    return read.partition(b"\n")[0].strip()
