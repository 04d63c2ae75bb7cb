"""Threads of one process and of its children run one job: `throng THREADS PROCESSES THREADS_OF_EACH RUNS`."""

import os
import sys
from functools import partial

from soak.apps.crowd import crowd
from soak.reporting import tell, watchdog


def main(threads: int, processes: int, threads_of_each: int, runs: int) -> None:
    """Forks, lets all of them go at once, and waits for them."""
    gate, opened = os.pipe()
    for _ in range(processes):
        if os.fork() == 0:
            os.close(opened)
            crowd(threads_of_each, runs, partial(os.read, gate, 1))
            return
    os.close(opened)
    crowd(threads, runs, partial(os.read, gate, 1))
    codes = {os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(processes)}
    if codes != {0}:
        tell(f"broken processes of the throng ended with {codes}")


if __name__ == "__main__":
    watchdog()
    main(*map(int, sys.argv[1:]))
