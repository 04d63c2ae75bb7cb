"""A process that forks one process after another; each does something, and at one step of it something happens.

A step is where the system is called, or has returned from a call; and for what has few of these also where a function
of ours begins, or one written in C that it calls begins or has returned. On stdin `WHAT HOW PLACE FOLDER`, on stdout
`gone CODE PLACES`: how it ended, and how many steps it had by then.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from otel_job_measure import JobMeasure
from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.recovery import recover_slots
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.assembly import boot_id
from soak.ground import NOBODY
from soak.reporting import Reported, tell, watchdog


class Steps:
    """Counts the steps, and lets something happen at one of them.

    Args:
        place: How many steps to pass by before; negative for all.
        act: What happens.
        every: Whether every step of ours counts, and not only where the system is called.
    """

    def __init__(self, place: int, act: Callable[[], None], *, every: bool) -> None:
        self.passed = 0
        self._all = every
        self._left = place
        self._act = act

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Is Python's profiling hook."""
        if not self._is_step(frame, event, argument):
            return
        self.passed += 1
        self._left -= 1
        if self._left == -1:
            sys.setprofile(None)
            self._act()
            sys.setprofile(self)

    def _is_step(self, frame: FrameType, event: str, argument: object) -> bool:
        if event in {"c_call", "c_return"} and getattr(argument, "__module__", "") in {"posix", "fcntl"}:
            return argument is not os.fspath
        return self._all and event != "return" and "/otel_job_measure/" in frame.f_code.co_filename

    def during(self, function: Callable[[], object]) -> None:
        """Calls a function with it."""
        sys.setprofile(self)
        try:
            function()
        finally:
            sys.setprofile(None)


class Deed:
    """What is done, in one state directory, and what happens meanwhile.

    Args:
        folder: The state directory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.measure = JobMeasure(
            state_dir=folder, influxdb_url=NOBODY, influxdb_org="o", influxdb_bucket="b", ship=False
        )

    # What is done

    def adopt(self) -> None:
        state = StateDir(self._folder)
        with state.adopting() as held:
            assert held
            recover_slots(state, clock=SystemClock(), boot_id=boot_id())

    def first(self) -> None:
        with Reported(self.measure.run("first")):
            pass

    def second(self) -> None:
        with Reported(self.measure.run("second")):
            pass

    def close(self) -> None:
        self.measure.close(0)

    # What happens

    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def nothing(self) -> None:
        """Is for counting."""

    def fork(self) -> None:
        """Makes a child that lives on, and runs a job meanwhile."""
        if os.fork() == 0:
            with Reported(self.measure.run("child")):
                pass
            with Reported(self.measure.run("waits")):
                tell(f"child {os.getpid()}")
                signal.pause()

    def handle(self) -> None:
        """Runs a job, as a signal handler may."""
        with Reported(self.measure.run("handler")):
            pass


def _do(what: str, how: str, place: int, deed: Deed, fd: int) -> None:
    """Does it, and ends this process."""
    if what in {"second", "close"}:
        deed.first()
    steps = Steps(place, getattr(deed, how), every=what != "adopt")
    try:
        steps.during(getattr(deed, what))
    except BaseException as error:  # noqa: BLE001 - nothing of ours may come out here
        tell(f"broken at step {place} of {what} {how} came {error!r}")
    os.write(fd, b"%d" % steps.passed)
    if what == "adopt":
        os._exit(0)
    with Reported(deed.measure.run("open")):
        os._exit(0)


def live(what: str, how: str, place: str, folder: str) -> None:
    """Does it in a child of this process."""
    told, tell_ = os.pipe()
    pid = os.fork()
    if pid == 0:
        _do(what, how, int(place), Deed(Path(folder)), tell_)
    os.close(tell_)
    _, status = os.waitpid(pid, 0)
    passed = os.read(told, 100).decode() if status == 0 else ""  # not to its end: a child of it may live on
    os.close(told)
    tell(f"gone {os.waitstatus_to_exitcode(status)} {passed}")


if __name__ == "__main__":
    watchdog()
    for line in sys.stdin:
        live(*line.split())
