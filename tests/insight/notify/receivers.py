"""Real receivers of notifications: an HTTP server and a mail server on this machine."""

import email
import email.message
import email.policy
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller

from tests.support.watched import free_port


class Post(NamedTuple):
    path: str
    headers: Mapping[str, str]
    body: bytes


class Webhook:
    """A receiver that answers with a status, or not at all."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.gets: list[Post] = []
        self.status = 200
        self.body = b""
        self.silent = threading.Event()
        self.went_on = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.posts.append(Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                if receiver.silent.is_set():
                    receiver.went_on.wait()
                self.send_response(receiver.status)
                self.send_header("content-length", str(len(receiver.body)))
                self.end_headers()
                self.wfile.write(receiver.body)

            def do_GET(self) -> None:
                receiver.gets.append(Post(self.path, dict(self.headers), b""))
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self.went_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class MailServer:
    """A mail server that keeps what it gets, or answers each mail with an error."""

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []
        self.to: list[list[str]] = []
        self.answer = "250 OK"
        self.unknown: set[str] = set()
        """Recipients that it refuses."""
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    async def handle_RCPT(self, *given: Any) -> str:  # noqa: ANN401, N802 - the library's
        _server, _session, envelope, address, _options = given
        if address in self.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: ANN401, N802 - the library's
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        self.to.append(envelope.rcpt_tos)
        return self.answer

    def close(self) -> None:
        self._controller.stop()
