"""A server's process for tests, which never outlives the process that started it."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Final

_START_TIMEOUT_S: Final = 110.0
_STOP_TIMEOUT_S: Final = 100.0
_PAUSE_S: Final = 0.05
_FIRST_PORT: Final = 20_000
_PORTS: Final = 1_500
_SHARES: Final = 8
_given: set[int] = set()
# Kills the server when the process that started it is gone, however it went: its end of the pipe is closed. The server
# is all of its process group: RabbitMQ's script starts the node as its child.
_WATCH: Final = "import os, sys; sys.stdin.buffer.read(); os.killpg(int(sys.argv[1]), 9)"


class WatchedProcess:
    """A server that can be stopped and started again, in the same folder.

    Args:
        command: What to start.
        folder: Its working directory; its log is kept there.
        is_ready: Tells whether it answers.
        environment: All of its environment; None for that of the test.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        is_ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = list(command)
        self._folder = folder
        self._is_ready = is_ready
        self._environment = None if environment is None else dict(environment)
        self._name = Path(command[0]).name
        self._log = folder / f"{self._name}.log"
        self._server: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._server is not None, "the server is stopped"
        return self._server.pid

    @property
    def runs(self) -> bool:
        """Tells whether it has been started and has not ended."""
        return self._server is not None and not _has_ended(self._server.pid)

    @property
    def words(self) -> str:
        """Returns what it has said so far."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Starts the server and waits until it answers; does nothing when it runs."""
        if self.runs:
            return
        self.stop()
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        watch = [sys.executable, "-I", "-S", "-c", _WATCH, str(self._server.pid)]
        self._watch = subprocess.Popen(watch, stdin=subprocess.PIPE, env={}, start_new_session=True)
        self._wait_until_ready(self._server)

    def stop(self, *, hard: bool = False) -> None:
        """Ends the server, with SIGKILL if `hard`; does nothing when it is stopped."""
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None
        if self._server is None:
            return
        if not hard:
            os.kill(self._server.pid, signal.SIGTERM)
            _await_end(self._server.pid, _STOP_TIMEOUT_S)
        os.killpg(self._server.pid, signal.SIGKILL)  # also what the server started
        self._server.wait()
        self._server = None

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        for _ in range(int(_START_TIMEOUT_S / _PAUSE_S)):
            with suppress(OSError):
                if self._is_ready():
                    return
            if _await_end(server.pid, _PAUSE_S):
                break
        self.stop(hard=True)
        how = f"doesn't answer; its exit code is {server.returncode}, the end of its log:\n{self.words[-2000:]}"
        raise RuntimeError(f"{self._name} {how}")


def _has_ended(pid: int) -> bool:
    """Tells whether a child has ended, and leaves it to be waited for: until then, its id is its own."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _await_end(pid: int, within_s: float) -> bool:
    """Waits for the end of a child, and tells whether it came."""
    over_s = time.monotonic() + within_s
    while not (has_ended := _has_ended(pid)) and time.monotonic() < over_s:
        Event().wait(0.01)
    return has_ended


def free_port() -> int:
    """Returns a free port outside the range that the system assigns, so that it stays free after a stop.

    A server takes its port some seconds later, and one that a test has stopped takes it again. So no port is returned
    twice, and each process of pytest-xdist has ports of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = _FIRST_PORT + worker % _SHARES * _PORTS
    free = set(range(first, first + _PORTS)) - _given
    for port in random.SystemRandom().sample(sorted(free), len(free)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
    raise RuntimeError(f"no free port between {first} and {first + _PORTS}")
