"""Threads of one process and of its children run one job: `throng THREADS PROCESSES THREADS_OF_EACH RUNS`."""

import os
import sys
import threading
from typing import Final

from otel_job_measure import JobMeasure
from tests.faults.reporting import Reported, tell, watchdog

MEASURE: Final = JobMeasure()


def crowd(threads: int, runs: int, gate: int) -> None:
    """Runs the job in every thread, so many times, as soon as all are there and the gate is open."""
    together = threading.Barrier(threads + 1)

    def work() -> None:
        together.wait()
        for _ in range(runs):
            with Reported(MEASURE.run("crowded")):
                pass

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    os.read(gate, 1)
    together.wait()
    for worker in workers:
        worker.join()


def main(threads: int, processes: int, threads_of_each: int, runs: int) -> None:
    """Forks, lets all of them go at once, and waits for them."""
    gate, opened = os.pipe()
    for _ in range(processes):
        if os.fork() == 0:
            os.close(opened)
            crowd(threads_of_each, runs, gate)
            return
    os.close(opened)
    crowd(threads, runs, gate)
    codes = {os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(processes)}
    if codes != {0}:
        tell(f"broken processes of the throng ended with {codes}")


if __name__ == "__main__":
    watchdog()
    main(*map(int, sys.argv[1:]))
