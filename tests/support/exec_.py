"""Ways to run `otel-job-measure exec` as cron, a shell or a terminal runs it."""

import os
import pty
import subprocess
import sys
import termios
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from otel_job_measure.points.line_protocol import Point, parse

COMMAND = [str(Path(sys.executable).with_name("otel-job-measure"))]
EXEC = [*COMMAND, "exec", "job", "--"]

# Tells which signals come, one a line, until the one that ends it; says when it is ready for the first.
LISTENER = """
import signal, sys
numbers = set(range(1, signal.SIGRTMAX + 1)) - {32, 33, signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("ready", flush=True)
while (number := signal.sigwait(numbers)) != signal.SIGUSR2:
    print(number, flush=True)
sys.exit(7)
"""
LISTEN = [sys.executable, "-S", "-c", LISTENER]

# For `patched`: something that does nothing but fail.
BREAK = "def broken(*args): raise KeyError(5)\n"


def patched(code: str) -> list[str]:
    """Returns `exec` in a Python where some code runs first, which breaks what a test wants broken."""
    return [
        sys.executable,
        "-c",
        f"{code}\nimport runpy; runpy.run_module('otel_job_measure', run_name='__main__')",
        *EXEC[1:],
    ]


# On a busy machine, the second of two signals can be late, and so can the sentinel's answer.
PATIENT = patched(
    "from otel_job_measure.cli.exec import arrivals, sentinel\n"
    "arrivals._LOOKS = 100_000; sentinel._PATIENCE_MS = 100_000"
)
"""`exec` that waits as long as it takes for what tells signals to the group apart."""


def points(state_dir: Path) -> list[Point]:
    """Returns all points of the segments of a state directory, in the order of their times."""
    files = [*state_dir.glob("ready/*"), *state_dir.glob("slots/*/*")]
    found = [
        parse(row)
        for file in files
        if file.name != "lock"
        for row in file.read_bytes().splitlines()
        if not row.startswith(b"#")
    ]
    return sorted(found, key=lambda point: point.time_ns or 0)


def run(
    command: Sequence[str], *, stdin: bytes = b"", environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command to its end and keeps what it said."""
    return subprocess.run(command, input=stdin, env=environment, cwd=cwd, capture_output=True, check=False, timeout=60)


@contextmanager
def running(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None
) -> Generator[subprocess.Popen[str]]:
    """Starts a command in a session without a terminal, as cron does; at the end of the block it has to end."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
            process.wait()
        except BaseException:
            os.killpg(process.pid, 9)
            raise


def line(file: IO[str] | None) -> str:
    """Returns the next line of a process, without its newline."""
    assert file is not None
    return file.readline().rstrip("\r\n")


class Terminal:
    """A terminal with a session of its own on it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._keys, screen = pty.openpty()
        modes = termios.tcgetattr(screen)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(screen, termios.TCSANOW, modes)
        with os.fdopen(screen, "r+b", buffering=0) as end:
            self.process = subprocess.Popen(
                ["setsid", "--ctty", *command], env=environment, stdin=end, stdout=end, stderr=end
            )
        self._seen = b""

    def press(self, keys: bytes) -> None:
        """Types."""
        os.write(self._keys, keys)

    def until(self, words: bytes) -> bytes:
        """Returns what appears on the screen up to some words, and forgets it."""
        while words not in self._seen:
            self._seen += os.read(self._keys, 4096)
        before, _, self._seen = self._seen.partition(words)
        return before

    def hang_up(self) -> None:
        """Takes the terminal away, once."""
        if self._keys >= 0:
            os.close(self._keys)
        self._keys = -1
