"""The influxd process of the tests: where it is, its start and end, and plain requests to it."""

import random
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

VERSION: Final = "2.7.12"
_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 30.0
# Kills the server when the process that started it is gone, however it went: its end of the pipe is closed.
_WATCH: Final = "import os, sys; sys.stdin.buffer.read(); os.kill(int(sys.argv[1]), 9)"


class ServerProcess:
    """An influxd process that can be stopped and started again on the same port, with the same data."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary = binary
        self._folder = folder
        self._log = folder / "influxd.log"
        self._server: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._server is not None, "the server is stopped"
        return self._server.pid

    def start(self) -> None:
        """Starts the server and waits until it is healthy; does nothing when it runs."""
        if self._server is not None and self._server.poll() is None:
            return
        self.stop()
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [
                    str(self.binary),
                    f"--bolt-path={self._folder / 'influxd.bolt'}",
                    f"--engine-path={self._folder / 'engine'}",
                    f"--sqlite-path={self._folder / 'influxd.sqlite'}",
                    f"--http-bind-address=127.0.0.1:{self.port}",
                    "--reporting-disabled",
                    "--log-level=error",
                ],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        watch = [sys.executable, "-I", "-S", "-c", _WATCH, str(self._server.pid)]
        self._watch = subprocess.Popen(watch, stdin=subprocess.PIPE, start_new_session=True)
        self._wait_until_healthy(self._server)

    def stop(self, *, hard: bool = False) -> None:
        """Ends the server, with SIGKILL if `hard`; does nothing when it is stopped."""
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None
        if self._server is None:
            return
        if hard:
            self._server.kill()
        else:
            self._server.terminate()
        try:
            self._server.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._server = None

    def _wait_until_healthy(self, server: subprocess.Popen[bytes]) -> None:
        pause_s = 0.05
        for _ in range(int(_START_TIMEOUT_S / pause_s)):
            with suppress(OSError):
                if request("GET", f"{self.url}/health", timeout_s=5).status == HTTPStatus.OK:
                    return
            with suppress(subprocess.TimeoutExpired):  # the pause between two looks ends when the server does
                server.wait(pause_s)
                break
        words = self._log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"influxd doesn't answer at {self.url}; the end of its log:\n{words}")


def binary_path(environment: Mapping[str, str]) -> Path:
    """Returns where `make servers` puts the server, whether it is there or not."""
    if servers := environment.get("OTEL_JOB_MEASURE_SERVERS"):
        cache = Path(servers)
    else:
        home = environment.get("HOME") or "~"
        cache = Path(environment.get("XDG_CACHE_HOME") or Path(home) / ".cache") / "otel-job-measure" / "servers"
    return cache.expanduser().absolute() / f"influxd-{VERSION}" / "influxd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes


def request(
    method: str,
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 60,
) -> Answer:
    """Sends one HTTP request, past any proxy, and returns the answer, whatever its status."""
    asked = Request(url, data=body, headers=dict(headers or {}), method=method)
    try:
        with build_opener(ProxyHandler({})).open(asked, timeout=timeout_s) as answer:
            return Answer(status=answer.status, body=answer.read())
    except HTTPError as error:
        with error:
            return Answer(status=error.code, body=error.read())


def _free_port() -> int:
    """Returns a free port that the system gives to nobody by itself: it stays free after a stop."""
    candidates = random.SystemRandom()
    for _ in range(100):
        port = candidates.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port between 20000 and 32000")
