"""Threads that all run one job, as fast as they can; with `open` all of them stay in their last run."""

import sys
import threading
from typing import Final

from otel_job_measure import JobMeasure
from tests.faults.reporting import Reported, tell, watchdog

MEASURE: Final = JobMeasure()


def main(threads: int, runs: int) -> None:
    """Runs the job in every thread, so many times, all at once."""
    together = threading.Barrier(threads)

    def work() -> None:
        together.wait()
        for _ in range(runs):
            with Reported(MEASURE.run("crowded")):
                pass

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    tell("done")
    with Reported(MEASURE.run("waits")):
        sys.stdin.read()


if __name__ == "__main__":
    watchdog()
    main(*map(int, sys.argv[1:]))
