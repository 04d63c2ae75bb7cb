"""One deadline for a whole HTTP exchange, whatever the server or the proxy does.

A time-out of urllib3 begins again with each wait for the network. So a server could drip its status or its headers, or
send `100 Continue` for ever. Here each wait is bounded by the time that is left of the exchange: for the addresses of
the host, the connection, a proxy's CONNECT, TLS, the request, the answer and its trailers.
"""

import contextvars
import http.client
import io
import threading
import time
from functools import partial
from typing import Any, Final

from urllib3.connection import HTTPConnection

MOST_BODY: Final = 4 * 1024 * 1024
_MOST_RECEIVED: Final = MOST_BODY + 1024 * 1024
_PIECE: Final = 16 * 1024
_MOST_THREADS: Final = 4


class Deadline:
    """The end of the exchange that a pool of connections is in; it makes one at a time.

    Args:
        most_bytes: The longest answer, in bytes.
    """

    def __init__(self, most_bytes: int = _MOST_RECEIVED) -> None:
        self.timeout_s = 0.0
        self.most_bytes = most_bytes
        self._at_s = 0.0
        self._threads: list[threading.Thread] = []

    def of(self, timeout_s: float) -> "Deadline":
        """Begins an exchange, and returns itself."""
        self.timeout_s = timeout_s
        self._at_s = time.monotonic() + timeout_s
        return self

    def left_s(self) -> float:
        """Returns the seconds that are left; raises `TimeoutError` if none are."""
        left_s = self._at_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def start(self, thread: threading.Thread) -> bool:
        """Starts a thread; returns False if there cannot be one, as in an interpreter that exits."""
        self._threads = [each for each in self._threads if each.is_alive()]
        if len(self._threads) >= _MOST_THREADS:  # the system's resolver never answers
            raise TimeoutError
        try:
            thread.start()
        except RuntimeError:
            return False
        self._threads.append(thread)
        return True


def bounded(pool: Any, deadline: Deadline) -> None:  # noqa: ANN401 - urllib3's pools, and the client's
    """Bounds each exchange of a `PoolManager` by a deadline."""
    classes = pool.pool_classes_by_scheme
    pool.pool_classes_by_scheme = {scheme: _bounded_pool(each, deadline) for scheme, each in classes.items()}


def _bounded_pool(pool: Any, deadline: Deadline) -> Any:  # noqa: ANN401 - the same
    answer = staticmethod(partial(_Answer, deadline))
    more = {"deadline": deadline, "response_class": answer}
    connection = type("BoundedConnection", (_Bounded, pool.ConnectionCls), more)
    return type(f"Bounded{pool.__name__}", (pool,), {"ConnectionCls": connection})


class _Bounded(HTTPConnection):
    """The part of a connection of urllib3 that waits for the network."""

    deadline: Deadline

    def connect(self) -> None:
        """Connects in a thread, because nothing can interrupt the system's resolver."""
        connect = super().connect
        failed: list[BaseException] = []
        late = threading.Event()

        def run() -> None:
            try:
                connect()
            except BaseException as error:  # noqa: BLE001 - raised below
                failed.append(error)
            if late.is_set():
                self.close()

        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(run,), name="otel-job-measure-connect", daemon=True)
        left_s = self.deadline.left_s()
        if self.deadline.start(thread):
            thread.join(left_s)
        else:
            run()
        if thread.is_alive():
            late.set()
            self.close()
            raise TimeoutError
        if failed:
            raise failed[0]

    def send(self, data: Any) -> None:  # noqa: ANN401 - the library's
        """Sends in pieces, because TLS gives each of them the whole time-out."""
        if self.sock is None and self.auto_open:
            self.connect()
        if not isinstance(data, bytes):
            super().send(data)
            return
        view = memoryview(data)
        for at in range(0, len(view), _PIECE):
            if self.sock is not None:
                self.sock.settimeout(self.deadline.left_s())
            super().send(view[at : at + _PIECE])


class _Answer(http.client.HTTPResponse):
    """An answer whose every byte comes before the deadline, also those of a proxy's CONNECT."""

    def __init__(self, deadline: Deadline, sock: Any, *args: Any, **more: Any) -> None:  # noqa: ANN401 - the library's
        super().__init__(sock, *args, **more)
        self.fp.close()
        self.fp = io.BufferedReader(_Incoming(sock, deadline))

    def begin(self) -> None:
        """Reads status and headers; urllib3 would log headers that cannot be parsed, and a secret with them."""
        super().begin()
        self.headers.defects.clear()
        self.headers.set_payload("")


class _Incoming(io.RawIOBase):
    """The bytes of an answer."""

    def __init__(self, sock: Any, deadline: Deadline) -> None:  # noqa: ANN401 - a socket, or urllib3's TLS in TLS
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline
        self._room = deadline.most_bytes

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - typing has no name for it yet
        """Waits for bytes until the deadline."""
        self._sock.settimeout(self._deadline.left_s())
        count: int | None = self._raw.readinto(buffer)
        self._room -= count or 0
        if self._room < 0:
            raise OSError(f"the answer is longer than {self._deadline.most_bytes} bytes")
        return count

    def close(self) -> None:
        """Gives the socket back."""
        if not self.closed:
            self._raw.close()
        super().close()
