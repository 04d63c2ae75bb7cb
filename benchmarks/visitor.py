"""The page as a browser gets it, from a process of its own."""

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.commands import PROGRAM
from benchmarks.interleaved import ROOT, environment

_WAIT_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """One page.

    Args:
        first_s: From the request to the first byte of the page.
        whole_s: To its last byte.
        cpu_s: What the server computed meanwhile.
        html: The page.
    """

    first_s: float
    whole_s: float
    cpu_s: float
    html: str


class Visitor:
    """A visitor with the cookie.

    Args:
        url: The URL that the command printed.
        pid: The server's process.
    """

    def __init__(self, url: str, pid: int) -> None:
        self._at = urlsplit(url)
        self._pid = pid
        connection = self._connection()
        connection.request("GET", f"/?{self._at.query}")
        self._cookie = (connection.getresponse().headers["set-cookie"] or "").partition(";")[0]
        connection.close()

    def get(self, path: str) -> Got:
        """Asks for a page over a new connection."""
        cpu_s, began_s = self.cpu_s(), time.perf_counter()
        connection = self._connection()
        connection.request("GET", path, headers={"Cookie": self._cookie})
        response = connection.getresponse()
        body = response.read(1)
        first_s = time.perf_counter() - began_s
        body += response.read()
        whole_s = time.perf_counter() - began_s
        connection.close()
        if response.status != http.client.OK:
            raise RuntimeError(f"{path} is answered with {response.status}")
        return Got(first_s=first_s, whole_s=whole_s, cpu_s=self.cpu_s() - cpu_s, html=body.decode())

    @contextmanager
    def listening(self, browsers: int) -> Generator[None]:
        """Holds an open page's stream of events for each of some browsers."""
        with ExitStack() as stack:
            for _ in range(browsers):
                stream = stack.enter_context(socket.create_connection((self._at.hostname, self._at.port), _WAIT_S))
                stream.sendall(
                    f"GET /live HTTP/1.1\r\nHost: {self._at.netloc}\r\nCookie: {self._cookie}\r\n\r\n".encode()
                )
                told = b""
                while b"event: hello" not in told:
                    told += stream.recv(4096)
            yield

    def cpu_s(self) -> float:
        """Returns how long the server has computed."""
        fields = Path(f"/proc/{self._pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self, name: str) -> int:
        """Returns the server's memory: `VmRSS` now, `VmHWM` the most."""
        lines = Path(f"/proc/{self._pid}/status").read_text(encoding="utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._at.netloc, timeout=_WAIT_S)


@contextmanager
def visiting(state: Path) -> Generator[Visitor]:
    """Serves a state directory with the command `web`."""
    command = [str(PROGRAM), "web", "--port", "0", "--state-dir", str(state), "--env-file", os.devnull]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(state.parent),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield Visitor(process.stdout.readline().strip(), process.pid)
        finally:
            process.terminate()
