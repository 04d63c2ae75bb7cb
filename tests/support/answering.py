"""A server that gives fixed answers to GET and POST, with the time that a test wants."""

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple


class Answer(NamedTuple):
    """An answer to each request of a path."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = {"X-Influxdb-Version": "v2.7.12", "X-Influxdb-Build": "OSS"}


NOT_FOUND: Final = Answer(404)


class AnsweringServer:
    """Answers by the path, `otherwise` for all others.

    Args:
        answers: By the path, without its query.
        otherwise: For other paths.
        ahead_s: How far the Date of its answers is ahead.
        tls: Its TLS, if it has one.
    """

    def __init__(
        self,
        answers: Mapping[str, Answer] | None = None,
        *,
        otherwise: Answer = NOT_FOUND,
        ahead_s: float = 0.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[str] = []
        self.went_on = threading.Event()
        self.is_silent = False
        self.during: Callable[[], object] = int
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                self.rfile.read(length)
                server.requests.append(f"{self.command} {self.path}")
                server.during()
                if server.is_silent:
                    server.went_on.wait()
                    return
                answer = (answers or {}).get(self.path.partition("?")[0], otherwise)
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Date", formatdate(time.time() + ahead_s, usegmt=True))
                body = b"" if answer.status == 204 else answer.body
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that hangs up, or that does not trust it

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_port
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self.went_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
