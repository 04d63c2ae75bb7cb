"""The real processes of tests: apps that run jobs, and commands."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from tests.support.exec_ import COMMAND

ROOT: Final = Path(__file__).parents[2]
APPS: Final = ROOT / "tests" / "acceptance" / "apps"
SHIP: Final = [*COMMAND, "ship", "--env-file", "/dev/null"]
_DEADLINE_S: Final = 100.0
"""Nearly what pytest-timeout gives a test: on a busy machine all takes its time."""
_PAUSE_S: Final = 0.02

_T = TypeVar("_T")


def until(look: Callable[[], _T], what: str, within_s: float = _DEADLINE_S) -> _T:
    """Looks again and again until there is something, and returns it.

    Args:
        look: Returns something true when it is there.
        what: What it is, for the failure where it never comes.
        within_s: For how long.
    """
    over_s = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < over_s, f"{what}: not within {within_s:g} s"
        Event().wait(_PAUSE_S)
    return found


class Process:
    """A process of a test: its stdin and stdout are pipes, its stderr is a file.

    Args:
        command: What to start.
        environment: All of its environment.
        stderr: Where its stderr goes.
        cwd: Its folder; None for that of its stderr.
        has_session: Whether it gets a session of its own.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        stderr: Path,
        *,
        cwd: Path | None = None,
        has_session: bool = False,
    ) -> None:
        self._stderr = stderr
        with stderr.open("wb") as file:
            self.popen = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=cwd or stderr.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                start_new_session=has_session,
            )

    @property
    def pid(self) -> int:
        """Returns its process id."""
        return self.popen.pid

    @property
    def stderr(self) -> str:
        """Returns what it has said on stderr so far."""
        return self._stderr.read_text(errors="replace")

    def line(self) -> str:
        """Returns the next line of its stdout; empty where it has closed that."""
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().rstrip("\n")

    def say(self, words: str) -> None:
        """Gives it a line on its stdin."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(f"{words}\n")
        self.popen.stdin.flush()

    def finish(self) -> str:
        """Closes its stdin, waits for its end, and returns the rest of its stdout."""
        rest, _ = self.popen.communicate(timeout=_DEADLINE_S)
        return rest

    def end(self) -> int:
        """Does the same, and returns its exit code, negative for a signal."""
        self.finish()
        return self.popen.returncode

    def kill(self) -> None:
        """Ends it by SIGKILL, if it has not ended yet."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.end()


class Driver(Process):
    """The app `apps/driver.py`, which does what it is told.

    Args:
        environment: All of its environment.
        stderr: Where its stderr goes.
    """

    def __init__(self, environment: Mapping[str, str], stderr: Path) -> None:
        super().__init__([sys.executable, str(APPS / "driver.py")], environment, stderr)

    def tell(self, *words: str) -> Any:  # noqa: ANN401 - it comes from JSON
        """Has it do something, and returns its answer."""
        self.say(" ".join(words))
        return self.answer()

    def answer(self) -> Any:  # noqa: ANN401 - the same
        """Returns its answer to what it was told."""
        answer = self.line()
        assert answer, f"no answer; its stderr:\n{self.stderr}"
        return json.loads(answer)

    def run(self, job: str) -> str:
        """Has it run a job from its start to its end, and returns the run's uuid."""
        return str(self.tell("run", job))

    def begin(self, job: str) -> str:
        """Has it begin a run; when this returns, the job's body is under way."""
        return str(self.tell("begin", job))

    def go_on(self, uuid: str) -> None:
        """Lets a run that has begun come to its end."""
        assert self.tell("end", uuid) == uuid

    def vanish(self, *words: str) -> str:
        """Has it run a job and then leave by `os._exit`; returns the run's uuid."""
        uuid = str(self.tell("vanish", *words))
        assert self.popen.wait(_DEADLINE_S) == 0
        return uuid


class Processes:
    """All processes of one test.

    Args:
        folder: Where their stderr is kept; their working directory.
        environment: What each of them has in its environment.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir()
        self.folder = folder
        self._environment = dict(environment)
        self._started: list[Process] = []

    def start(self, *command: str, **variables: str) -> Process:
        """Starts a command with some more variables."""
        return self._added(Process(command, self._environment | variables, self._stderr()))

    def app(self, name: str, *words: str, **variables: str) -> Process:
        """Starts one of the apps."""
        return self.start(sys.executable, str(APPS / f"{name}.py"), *words, **variables)

    def bare(self, *command: str) -> Process:
        """Starts a command with no environment at all, as `env -i` does."""
        return self._added(Process(command, {}, self._stderr()))

    def driver(self, **variables: str) -> Driver:
        """Starts an app that does what it is told."""
        driver = Driver(self._environment | variables, self._stderr())
        self._started.append(driver)
        return driver

    def ship(self, *words: str, **variables: str) -> tuple[int, str, str]:
        """Runs `otel-job-measure ship --once` to its end; returns its exit code, stdout and stderr."""
        process = self.start(*SHIP, "--once", *words, **variables)
        said = process.finish()
        return process.popen.returncode, said, process.stderr

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._started:
            process.kill()

    def _stderr(self) -> Path:
        return self.folder / f"{len(self._started)}.stderr"

    def _added(self, process: Process) -> Process:
        self._started.append(process)
        return process
