"""The server's process: the socket, the signals, and an end that waits for nobody."""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio
import uvicorn

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_GRACE_S: Final = 1
_FILES: Final = 8192
"""Two hundred browsers have some connections each, and a process may have only 1024 files by default."""
_OF_OURS: Final = 40
"""So many files the process has beside the connections."""
_LEAST: Final = 8


class Room(NamedTuple):
    """How many connections there may be.

    Args:
        most: Beyond so many, the answer is 503.
        at_once: So many are accepted in one turn of the loop; some turns pass before a refused one is closed.
    """

    most: int
    at_once: int


def room() -> Room:
    """Returns how many connections the files allow, after asking for as many files as may be needed.

    Without a file for the next connection, the loop of Python 3.11 writes a traceback for each try.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _FILES if soft == resource.RLIM_INFINITY else soft
    at_once = files // 8
    return Room(most=max(_LEAST, files - _OF_OURS - 4 * at_once), at_once=at_once)


def listening(address: str, port: int) -> socket.socket:
    """Returns a socket that listens; raises `OSError` if the address cannot be used."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=room().at_once)


def prepared(app: "ASGIApp", stop: Callable[[], None]) -> "Server":
    """Returns the server with all its modules loaded: later the process may lose the right to read them.

    Beyond the connections for which there are files, the answer is 503.

    Args:
        app: What answers.
        stop: Is called when the server ends.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # the app says itself what fails, without the URL
    most, at_once = room()
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_S,
        limit_concurrency=most,
        backlog=at_once,
    )
    config.load()
    anyio.run(anyio.sleep, 0)  # it loads what it needs at its first use
    return Server(config, stop)


class Server(uvicorn.Server):
    """Ends at the first SIGINT or SIGTERM."""

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop

    def serve_on(self, listener: socket.socket) -> None:
        """Answers until a signal comes."""
        asyncio.run(self.serve(sockets=[listener]))

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Replaces that of the library, which would end this process by the signal once more."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.end)
        yield

    def end(self) -> None:
        """Ends the server, with the streams first."""
        self._stop()
        self.should_exit = self.force_exit = True
