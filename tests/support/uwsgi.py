"""A real uWSGI with an app that runs a job in each request; no process of it outlives the block."""

import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.support.processes import APPS, ROOT, until
from tests.support.uncovered import uncovered

COMMAND: Final = str(Path(sys.executable).with_name("uwsgi"))
FIRST: Final = (
    *("--http-socket", "127.0.0.1:0", "--need-app", "--die-on-term"),
    *("--home", sys.prefix, "--pythonpath", str(ROOT)),
)
MASTER: Final = ("--master", "--processes", "4", "--enable-threads")
_PATIENCE_S: Final = 40.0


class Uwsgi:
    """A uWSGI on a port of its own choice.

    Args:
        folder: Where its log and its state directory are.
        options: Its options.
        variables: More of its environment.
    """

    def __init__(self, folder: Path, *options: str, **variables: str) -> None:
        self.state_dir = folder / "state"
        self._log = folder / "uwsgi.log"
        command = [COMMAND, *FIRST, "--wsgi-file", str(APPS / "wsgi.py"), *options]
        environment = uncovered() | variables | {"OTEL_JOB_MEASURE_STATE_DIR": str(self.state_dir)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def log(self) -> str:
        """Returns what it has said so far."""
        return self._log.read_text(errors="replace")

    def get(self, path: str = "/") -> str:
        """Makes one request: it runs a job; returns the run's uuid and the process's id."""
        until(lambda: " bound to TCP address " in self.log or self._process.poll() is not None, "a socket")
        assert self._process.poll() is None, self.log
        address = self.log.rpartition("bound to TCP address ")[2].split()[0]  # a reload binds another
        with urllib.request.urlopen(f"http://{address}{path}", timeout=_PATIENCE_S) as answer:
            return str(answer.read().decode())

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the first process."""
        self._process.send_signal(number)

    def end(self) -> None:
        """Ends it as an init system does, and waits for it."""
        self._process.terminate()
        self._process.wait(_PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
