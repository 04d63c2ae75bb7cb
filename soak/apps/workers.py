"""A master with workers, made in one of several ways; all of them run jobs, and some are killed in one."""

import multiprocessing
import os
import random
import signal
import sys
from typing import Any, Final

from otel_job_measure import JobMeasure
from soak.reporting import Reported, tell, watchdog

_WORKERS: Final = 4
MEASURE: Final = JobMeasure()


def work(seed: int) -> None:
    """Runs jobs; every other worker is killed in the last one, as by the kernel when memory is short."""
    for _ in range(random.Random(seed).randrange(1, 30)):
        with Reported(MEASURE.run("work")):
            pass
    if seed % 2:
        with Reported(MEASURE.run("killed")):
            os.kill(os.getpid(), signal.SIGKILL)


def by_multiprocessing(method: str, seed: int) -> None:
    """Makes workers by multiprocessing."""
    context: Any = multiprocessing.get_context(method)
    workers = [context.Process(target=work, args=(seed + number,)) for number in range(_WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def prefork(seed: int) -> None:
    """Makes workers by os.fork, each of which ends where it began."""
    for number in range(_WORKERS):
        if os.fork() == 0:
            work(seed + number)
            os._exit(0)
    for _ in range(_WORKERS):
        os.wait()


def daemonized(seed: int) -> None:
    """Becomes a daemon that has closed every descriptor, and opens files of its own under their numbers."""
    told = os.dup(1)
    if os.fork():
        os.wait()
        return
    os.setsid()
    os.chdir("/")
    os.umask(0)
    os.closerange(3, told)
    os.closerange(told + 1, 256)
    folder = os.environ["OTEL_JOB_MEASURE_STATE_DIR"]
    files = [os.open(f"{folder}.{seed}.{number}", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600) for number in range(20)]
    work(2 * seed)
    if any(os.fstat(file).st_size for file in files):
        tell("broken a byte of ours is in a file of the app's")
    os._exit(0)


def main(how: str, seed: int) -> None:
    """Runs a job before, one around all workers, and one after."""
    with Reported(MEASURE.run("before")):
        pass
    with Reported(MEASURE.run("around")):
        if how in {"fork", "spawn", "forkserver"}:
            by_multiprocessing(how, seed)
        else:
            {"prefork": prefork, "daemonized": daemonized}[how](seed)
    with Reported(MEASURE.run("after")):
        pass


if __name__ == "__main__":
    watchdog()
    main(sys.argv[1], int(sys.argv[2]))
