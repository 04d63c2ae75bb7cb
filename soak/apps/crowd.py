"""Threads that all run one job, as fast as they can: `crowd THREADS RUNS`."""

import sys
import threading
from collections.abc import Callable
from typing import Final

from otel_job_measure import JobMeasure
from soak.reporting import Reported, tell, watchdog

MEASURE: Final = JobMeasure()


def crowd(threads: int, runs: int, go: Callable[[], object]) -> None:
    """Runs the job in every thread, so many times, as soon as all are there and `go` returns."""
    together = threading.Barrier(threads + 1)

    def work() -> None:
        together.wait()
        for _ in range(runs):
            with Reported(MEASURE.run("crowded")):
                pass

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    go()
    together.wait()
    for worker in workers:
        worker.join()


def main(threads: int, runs: int) -> None:
    """Says when all of them are done, and stays in one more run until stdin ends."""
    crowd(threads, runs, lambda: None)
    tell("done")
    with Reported(MEASURE.run("waits")):
        sys.stdin.read()


if __name__ == "__main__":
    watchdog()
    main(*map(int, sys.argv[1:]))
