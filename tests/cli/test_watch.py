"""`watch`: a live picture in a real terminal, which it leaves as it was."""

import os
import pty
import signal
import subprocess
import sys
import termios
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
from tests.insight.contract import FAILED, whole
from tests.support.exchanged import exchange

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

    def read_until(self, wanted: bytes, *, more: bool = False) -> None:
        """Reads what is shown until it has some bytes; at least some of what is new, if `more` says so."""
        if more:
            self.seen += self._more()
        while wanted not in self.seen:
            self.seen += self._more() or pytest.fail(f"it ended before {wanted!r}: {self.seen[-500:]!r}")

    def ended(self) -> int:
        """Reads the rest, and returns the exit code."""
        while more := self._more():
            self.seen += more
        return self.process.wait()

    def resize(self, columns: int) -> None:
        """Makes the terminal so wide."""
        termios.tcsetwinsize(self._file, (30, columns))
        self.process.send_signal(signal.SIGWINCH)  # the kernel sends it only to a terminal's own session

    def _more(self) -> bytes:
        try:
            return os.read(self._file, 65_536)
        except OSError:  # the other side is closed
            return b""


@contextmanager
def watching(every: str = "1s") -> Generator[Terminal]:
    """Starts `watch` in a terminal of its own."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(ours, (30, 120))
    env = {**os.environ, "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES"):  # pytest-xdist sets them, and they count before the terminal's own size
        env.pop(name, None)
    command = [sys.executable, "-m", "otel_job_measure", "watch", "--every", every]
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


def test_another_width_is_drawn_at_once(state_dir: Path) -> None:
    """It does not wait for the next look, and has the columns that there is room for then."""
    fill(state_dir, "nightly")
    with watching(every="1h") as terminal:
        terminal.read_until(b"durations")
        terminal.resize(50)
        while terminal.seen.rfind(b"last runs") < terminal.seen.rfind(b"durations"):
            terminal.read_until(b"last runs", more=True)
        terminal.seen = b""
        terminal.resize(120)
        terminal.read_until(b"durations")


def test_a_store_that_goes_away_leaves_its_last_picture_and_comes_back(state_dir: Path) -> None:
    """The last line says of when the picture is and why, until the store answers."""
    fill(state_dir, "nightly")
    with watching() as terminal:
        terminal.read_until(b"Ctrl-C ends it")
        away = state_dir.with_name("away")
        away.write_bytes(b"no folder")
        exchange(state_dir, away)
        terminal.read_until(b": the state directory")
        terminal.read_until(b"; trying again")
        assert b"nightly" in terminal.seen.rpartition(b"as of ")[0][-2000:]
        exchange(state_dir, away)
        terminal.seen = b""
        terminal.read_until(b"Ctrl-C ends it")


def test_what_is_wrong_is_told_beside_three_hundred_jobs(state_dir: Path) -> None:
    """The jobs that are ok make room for it."""
    now_ns = time.time_ns()
    data = b"".join(whole(f"r{n}", now_ns - n * SECOND, JobId(f"job-{n}"), took_s=1.0) for n in range(2, 302))
    data += whole("bad", now_ns - 60 * SECOND, JobId("broken"), outcome=FAILED)
    state_dir.mkdir(mode=0o700)
    history_in(state_dir, None, retention_s=1e10).fold([Chunk(segment="a.lp", offset=0, data=data, host="web-1")])
    with watching(every="1h") as terminal:
        terminal.read_until(b"Ctrl-C ends it")
    for wanted in (b"the last run failed", b"more lines: a higher terminal", b"301 jobs: "):
        assert wanted in terminal.seen


def test_how_many_jobs_are_bad_is_said_beside_all_that_is_wrong(state_dir: Path) -> None:
    """Sentences of many jobs that fail leave the line with their number."""
    now_ns = time.time_ns()
    jobs = [JobId(f"{n}-{'long' * 15}") for n in range(20)]
    state_dir.mkdir(mode=0o700)
    data = b"".join(whole(f"r{n}", now_ns - (n + 9) * SECOND, job, outcome=FAILED) for n, job in enumerate(jobs))
    history_in(state_dir, None, retention_s=1e10).fold([Chunk(segment="a.lp", offset=0, data=data, host="web-1")])
    with watching(every="1h") as terminal:
        terminal.read_until(b"Ctrl-C ends it")
    shown = terminal.seen.rpartition(b"\x1b[H")[2]
    assert b"20 critical" in shown
    assert shown.count(b"\n") < 50


def test_without_a_terminal_it_names_what_to_use(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets no picture."""
    with pytest.raises(SystemExit):
        main(["watch"])
    assert "it needs a terminal; `jobs` and `jobs --json` write to files and pipes" in capsys.readouterr().err


def test_a_terminal_that_cannot_show_it_is_told() -> None:
    """Nothing would be seen there."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "otel_job_measure", "watch"]
    env = {**os.environ, "TERM": "dumb"}
    done = subprocess.run(command, stdin=its, stdout=its, stderr=subprocess.PIPE, env=env, check=False, timeout=100)
    for each in (ours, its):
        os.close(each)
    assert done.returncode == 2
    assert b"TERM=dumb" in done.stderr
