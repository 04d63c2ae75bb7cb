"""A recipe of docs/recipes.md: its files and its commands, as a reader copies them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings
from tests.support.uncovered import uncovered

PAGE: Final = Path(__file__).parents[2] / "docs" / "recipes.md"
_block = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LONG_S: Final = 60.0


class Recipe:
    """One section of the page, tried in a folder.

    Args:
        heading: The section's heading.
        folder: Where its files and its state directory are.
        variables: What the processes have in their environment beside that of the test.
        places: What takes the place of texts of the page: addresses and paths that a test has for itself alone.
    """

    def __init__(
        self, heading: str, folder: Path, variables: Mapping[str, str] = {}, places: Mapping[str, str] = {}
    ) -> None:
        section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
        for text, place in places.items():
            assert text in section, text
            section = section.replace(text, place)
        blocks = [(found[1], found[2]) for found in _block.finditer(section)]
        self.files = {text.partition("\n")[0].removeprefix("# "): text for kind, text in blocks if kind not in _PLAIN}
        lines = [line for kind, text in blocks if kind == "sh" for line in text.splitlines()]
        self.commands = [line for line in lines if "pip install " not in line]
        self.folder = folder
        self._environment = uncovered() | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OTEL_JOB_MEASURE_STATE_DIR": str(folder / "state"),
            "OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "60s",
            "PYTHONUNBUFFERED": "1",
            **variables,
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        for name, text in self.files.items():
            if not name.startswith("/"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)

    def command(self, begin: str) -> str:
        """Returns the command of the page that begins so."""
        [found] = [line for line in self.commands if line.startswith(begin)]
        return found

    def start(self, line: str, **variables: str) -> "subprocess.Popen[bytes]":
        """Starts a command line, as a shell does."""
        with (self.folder / "said").open("ab") as said:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {line}"],
                cwd=self.folder,
                env=self._environment | variables,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def run(self, line: str, **variables: str) -> str:
        """Runs a command line to its end, which must be a good one, and returns what is new of `said`."""
        before = len(self.said)
        assert self.start(line, **variables).wait(_LONG_S) == 0, self.said
        return self.said[before:]

    @property
    def said(self) -> str:
        """Returns what all processes have said so far."""
        file = self.folder / "said"
        return file.read_text(errors="replace") if file.exists() else ""

    def runs(self) -> list[RunRecord]:
        """Returns the runs that have ended, the oldest first."""
        history, _ = up_to_date(Settings(state_dir=self.folder / "state"))
        return [run for run in history.latest(limit=1000)[::-1] if run.ended_ns]

    def stop(self, process: "subprocess.Popen[bytes]") -> int:
        """Ends a process by SIGTERM, and returns its exit code."""
        process.terminate()
        return process.wait(_LONG_S)

    def clean(self) -> None:
        """Ends what still runs, with its children."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


_PLAIN: Final = {"sh", "text"}
