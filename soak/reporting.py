"""What runs in the processes of scenarios: each run is told to a pipe when it has begun and when it has ended."""

import faulthandler
import os
import signal
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from otel_job_measure import JobRun

STDOUT: Final = 1
SHOW_STACKS: Final = signal.SIGRTMIN + 5
"""Makes a process that hangs write the stacks of its threads to stderr."""


class Reported:
    """A run whose beginning and end are told.

    Args:
        door: What `measure.run(…)` gives.
        fd: The pipe.
    """

    def __init__(self, door: "AbstractContextManager[JobRun]", fd: int = STDOUT) -> None:
        self._door = door
        self._fd = fd
        self._pid = os.getpid()
        self.uuid = ""

    def __enter__(self) -> Self:
        before_s = time.perf_counter()
        run = self._door.__enter__()
        waited_s = time.perf_counter() - before_s
        self.uuid = run.uuid
        self._tell(f"begun {self.uuid}", f"waited {waited_s:.6f}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        before_s = time.perf_counter()
        self._door.__exit__(kind, error, trace)
        waited_s = time.perf_counter() - before_s
        self._tell(f"ended {self.uuid}{'' if kind else ' end'}", f"waited {waited_s:.6f}")

    def _tell(self, *lines: str) -> None:
        if os.getpid() == self._pid:  # and not a child that was forked meanwhile: the run is its parent's
            tell(*lines, fd=self._fd)


def tell(*lines: str, fd: int = STDOUT) -> None:
    """Writes lines to the pipe in one chunk; if the reader is gone, they are dropped."""
    try:
        os.write(fd, "".join(f"{line}\n" for line in lines).encode())
    except BrokenPipeError:
        os._exit(0)


def watchdog(most_s: int = 200) -> None:
    """Lets this process, and each that it forks, say where it hangs when it is asked, and end after `most_s`."""
    faulthandler.register(SHOW_STACKS)
    signal.alarm(most_s)
    os.register_at_fork(after_in_child=lambda: signal.alarm(most_s))
