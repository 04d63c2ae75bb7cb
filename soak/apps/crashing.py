"""A process that forks one process after another; each runs some jobs and then takes itself down in one of them.

On stdin `begin SEED HOW`; on stdout `pid N`, and `gone N CODE` when it is over.
"""

import ctypes
import os
import random
import signal
import sys
from collections.abc import Callable
from typing import Final

from otel_job_measure import JobMeasure
from soak.reporting import Reported, tell, watchdog

MEASURE: Final = JobMeasure()


def _signalled(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


WAYS: Final[dict[str, Callable[[], object]]] = {
    "os._exit": lambda: os._exit(0),
    "abort": os.abort,
    "null_pointer": lambda: ctypes.string_at(0),
    "SIGILL": _signalled(signal.SIGILL),
    "SIGBUS": _signalled(signal.SIGBUS),
    "SIGXCPU": _signalled(signal.SIGXCPU),
    "out_of_memory": _signalled(signal.SIGKILL),  # as the kernel does it, at no moment that a process can see
}


def live(seed: str, how: str) -> None:
    """Runs jobs in a child, the last one to the death.

    Args:
        seed: What its chance comes from.
        how: How it takes itself down.
    """
    pid = os.fork()
    if pid == 0:
        for _ in range(random.Random(seed).randrange(20)):
            with Reported(MEASURE.run("before")):
                pass
        with Reported(MEASURE.run("outer")), Reported(MEASURE.run("inner")):
            WAYS[how]()
        raise AssertionError(how)
    tell(f"pid {pid}")
    _, status = os.waitpid(pid, 0)
    tell(f"gone {pid} {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    watchdog()
    for line in sys.stdin:
        live(*line.split()[1:])
