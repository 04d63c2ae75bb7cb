"""A process that gevent has patched, jobs in greenlets: `greenlets EARLY|LATE`; late is after our first import."""

import sys
from typing import Any, Final, cast

EARLY: Final = sys.argv[1] == "early"
if EARLY:
    from gevent import monkey

    monkey.patch_all()

import otel_job_measure  # noqa: E402 - what comes after the patch is what this is about

if not EARLY:
    from gevent import monkey

    monkey.patch_all()

import os  # noqa: E402
import threading  # noqa: E402

import gevent  # noqa: E402
from gevent import subprocess  # noqa: E402

from soak.reporting import Reported, tell, watchdog  # noqa: E402

_GREENLETS: Final = 20
MEASURE: Final = otel_job_measure.JobMeasure()


def job(depth: int) -> None:
    """Runs a job that lets others have their turn, and one in it."""
    with Reported(MEASURE.run("green")):
        gevent.sleep(0)
        if depth:
            job(depth - 1)
        gevent.sleep(0.001)


def in_a_child() -> None:
    """Forks a child that runs jobs of its own, in greenlets of its own, and ends as any process."""
    pid = os.fork()
    if pid == 0:
        together()
        flush()
        sys.exit()
    _, status = os.waitpid(pid, 0)
    if status:
        tell(f"broken the child ended with {os.waitstatus_to_exitcode(status)}")


def together() -> None:
    """Runs jobs in greenlets, and in what the app takes for threads."""
    threads = [threading.Thread(target=job, args=(1,)) for _ in range(_GREENLETS)]
    for thread in threads:
        thread.start()
    greenlets: list[Any] = [gevent.spawn(job, number % 3) for number in range(_GREENLETS)]
    gevent.joinall(greenlets, raise_error=True)
    for thread in threads:
        thread.join()


def flush() -> None:
    """Waits until all is delivered, while other greenlets go on."""
    turns: list[int] = []

    def count() -> None:
        while True:
            turns.append(1)
            gevent.sleep(0.001)

    counting: Any = cast("Any", gevent).spawn(count)
    if not MEASURE.flush(30):
        tell("broken nothing was delivered within 30 s")
    counting.kill()
    if not turns:
        tell("broken no other greenlet had its turn during a flush")


def main() -> None:
    """Runs jobs before and after a fork, and around a subprocess."""
    together()
    flush()
    in_a_child()
    with Reported(MEASURE.run("around")):
        subprocess.run(["true"], check=True)
    together()


if __name__ == "__main__":
    watchdog()
    main()
