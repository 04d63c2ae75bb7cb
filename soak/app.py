"""A process of a scenario: what it reports goes into the books, and none of it outlives the scenario."""

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from soak.books import Books
from soak.reporting import SHOW_STACKS
from tests.support.processes import ROOT, Process


class App(Process):
    """A process in a session of its own.

    Lines that `soak.reporting` writes go into the books; any other can be read with `line()`.

    Args:
        command: What to start.
        environment: All of its environment.
        log: Where its stderr goes.
        books: Where its reports go.
        patience_s: How long anything of it may take.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, books: Books, *, patience_s: float
    ) -> None:
        self.name = " ".join(command[-3:])
        self._books = books
        self._patience_s = patience_s
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.reports = 0
        """How many lines it has reported."""
        super().__init__(command, environment, log, cwd=ROOT, has_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def line(self) -> str:
        """Returns its next line that is no report; empty where it, and all it has made, have closed their stdout."""
        try:
            line = self._lines.get(timeout=self._patience_s)
        except queue.Empty:
            raise self._hangs("says nothing") from None
        if line is None:
            self._lines.put(None)
        return line or ""

    def say(self, words: str) -> None:
        """Gives it a line on its stdin, if it still runs."""
        with suppress(BrokenPipeError):
            super().say(words)

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self.popen.send_signal(number)

    def kill(self) -> None:
        """Kills it, and returns when all of its reports are in the books."""
        self.popen.kill()
        self.end()

    def end(self) -> int:
        """Closes its stdin, waits until it and all that report through its stdout are gone; returns its exit code."""
        assert self.popen.stdin is not None
        with suppress(BrokenPipeError):
            self.popen.stdin.close()
        try:
            code = self.popen.wait(self._patience_s)
        except subprocess.TimeoutExpired:
            raise self._hangs("does not end") from None
        self._reader.join(self._patience_s)
        if self._reader.is_alive():
            raise self._hangs("has a child that does not end")
        return code

    def stop(self) -> None:
        """Ends whatever is left of it and its session."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            with suppress(BrokenPipeError):
                if pipe is not None and (pipe is self.popen.stdin or not self._reader.is_alive()):
                    pipe.close()

    def _hangs(self, how: str) -> AssertionError:
        """Returns an error with the stacks of all that is left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, SHOW_STACKS)
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(1)
        return AssertionError(f"{self.name} {how} for {self._patience_s:g} s\n{self.stderr}")

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            what, *words = line.split() or [""]
            if what == "begun":
                self._books.begin(words[0])
            elif what == "ended":
                self._books.end(*words)
            elif what == "waited":
                self._books.waited(float(words[0]))
            elif what == "broken":
                self._books.broken.append(line.removeprefix("broken ").strip())
            else:
                self._lines.put(line.rstrip("\n"))
                continue
            self.reports += 1
        self._lines.put(None)
