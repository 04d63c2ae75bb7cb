"""A process that changes its user, its folder and its umask between runs, or leaves descriptors to a subprocess.

`changing WAY`; on stdin a line to go on, on stdout `> …` when it has come to the middle.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Final

from otel_job_measure import JobMeasure
from soak.reporting import Reported, tell, watchdog

_NOBODY: Final = 65534
MEASURE: Final = JobMeasure()


def jobs(count: int) -> None:
    """Runs jobs."""
    for _ in range(count):
        with Reported(MEASURE.run("changing")):
            pass


def child() -> None:
    """Runs jobs in a forked child, which ends in good order."""
    if os.fork() == 0:
        jobs(5)
        sys.exit()
    if os.wait()[1]:
        tell("broken a child did not end well")


def another_user() -> None:
    """Gives up root's rights in the middle of a run: the state directory is not its own any more."""
    jobs(5)
    with Reported(MEASURE.run("around")):
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        jobs(5)
        MEASURE.pipeline.journal.maintain()  # comes every ten seconds by itself
        tell("> in the middle")
        sys.stdin.readline()
    jobs(5)
    child()


def another_place() -> None:
    """Goes elsewhere, and makes all files for everybody from there on."""
    os.umask(0)
    jobs(5)
    os.chdir("/")
    with Reported(MEASURE.run("around")):
        os.umask(0o777)
        jobs(5)
        child()
        tell("> in the middle")
        sys.stdin.readline()
        os.umask(0)
    MEASURE.close()
    jobs(5)
    child()


def subprocesses() -> None:
    """Starts a program that inherits whatever can be inherited, and outlives this process."""
    jobs(5)
    with Reported(MEASURE.run("around")):
        left = subprocess.Popen(["cat"], close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        jobs(5)
    with Reported(MEASURE.run("killed")):
        tell(f"> {left.pid}")
        sys.stdin.readline()


WAYS: Final[dict[str, Callable[[], None]]] = {way.__name__: way for way in (another_user, another_place, subprocesses)}

if __name__ == "__main__":
    watchdog()
    WAYS[sys.argv[1]]()
