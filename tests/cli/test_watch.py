"""`watch`: a live picture in a real terminal, which it leaves as it was."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure.cli import main
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.journal.interfaces import Chunk
from tests.history.support import history_in
from tests.insight.contract import whole

SECOND: Final = 10**9
ENTERED: Final = b"\x1b[?1049h"
LEFT: Final = b"\x1b[?1049l"
CURSOR_SHOWN: Final = b"\x1b[?25h"


def fill(folder: Path, name: str) -> None:
    """Puts a run of a job into the history of a state directory."""
    folder.mkdir(mode=0o700, exist_ok=True)
    data = whole(f"r-{name}", time.time_ns() - 60 * SECOND, JobId(name), took_s=2.0)
    history_in(folder, None, retention_s=1e10).fold(
        [Chunk(segment=f"local-{name}.lp", offset=0, data=data, host="web-1")]
    )


class Terminal:
    """A terminal of 120 columns in which `watch` runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", file: int) -> None:
        self.process = process
        self.seen = b""
        self._file = file

    def read_until(self, wanted: bytes) -> None:
        """Reads what is shown until it has some bytes."""
        while wanted not in self.seen:
            self.seen += self._more() or pytest.fail(f"it ended before {wanted!r}: {self.seen[-500:]!r}")

    def ended(self) -> int:
        """Reads the rest, and returns the exit code."""
        while more := self._more():
            self.seen += more
        return self.process.wait()

    def _more(self) -> bytes:
        try:
            return os.read(self._file, 65_536)
        except OSError:  # the other side is closed
            return b""


@contextmanager
def watching() -> Generator[Terminal]:
    """Starts `watch` in a terminal of its own."""
    ours, its = pty.openpty()
    env = {**os.environ, "COLUMNS": "120", "LINES": "30", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "otel_job_measure", "watch", "--every", "1s"]
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=env, start_new_session=True) as process:
        os.close(its)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_shows_changes_and_leaves_the_terminal_as_it_was(state_dir: Path, number: signal.Signals, code: int) -> None:
    """A new job appears; after a signal the former screen and the cursor are back, and no traceback is there."""
    fill(state_dir, "nightly")
    with watching() as terminal:
        terminal.read_until(b"nightly")
        assert ENTERED in terminal.seen
        fill(state_dir, "invoices")
        terminal.read_until(b"invoices")
        terminal.process.send_signal(number)
        assert terminal.ended() == code
    after = terminal.seen[terminal.seen.rindex(LEFT) :]
    assert CURSOR_SHOWN in terminal.seen[terminal.seen.rindex(b"invoices") :]
    assert b"nightly" not in after
    assert b"Traceback" not in terminal.seen


def test_without_a_terminal_it_names_what_to_use(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets no picture."""
    with pytest.raises(SystemExit):
        main(["watch"])
    assert "it needs a terminal; `jobs` and `jobs --json` write to files and pipes" in capsys.readouterr().err
