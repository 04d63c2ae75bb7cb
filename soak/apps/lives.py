"""A process that forks one short-lived process after another: each runs jobs until something ends it.

On stdin `begin SEED [HOW]`; on stdout `pid N` when a life has begun and `gone N CODE` when it is over.
"""

import os
import random
import signal
import sys
import threading

from otel_job_measure import JobMeasure
from soak.reporting import Reported, tell, watchdog

_MOST_RUNS = 200
_LONG = "x" * 700


class Life:
    """One process's runs, by chance: long and short names, failures, runs in runs, in one or two threads.

    Args:
        measure: Measures its jobs.
        rng: Its chance.
        runs: How many times each thread runs a job; 0 for as often as chance has it.
    """

    def __init__(self, measure: JobMeasure, rng: random.Random, runs: int) -> None:
        self._measure = measure
        self._runs = runs
        self._rng = rng

    def run(self) -> None:
        """Runs jobs, and at last waits in the middle of one."""
        threads = [threading.Thread(target=self._jobs, daemon=True) for _ in range(self._rng.randrange(2))]
        for thread in threads:
            thread.start()
        self._jobs()
        with Reported(self._measure.run("last")):
            # `signal.pause` would wait for ever if the signal came just before it: its handler runs after the call.
            while True:
                threading.Event().wait(0.1)

    def _jobs(self) -> None:
        for _ in range(self._runs or self._rng.randrange(_MOST_RUNS)):
            self._job(self._rng.choice(["a", "b", _LONG]), depth=self._rng.randrange(3))

    def _job(self, name: str, depth: int) -> None:
        try:
            with Reported(self._measure.run(name)):
                if depth:
                    self._job(f"{name}{depth}", depth - 1)
                elif self._rng.random() < 0.2:
                    raise ValueError("the job's own")
        except ValueError:
            pass


def live(seed: str, how: str = "") -> None:
    """Lives one life in a child of this process, and tells when it is over.

    Args:
        seed: What its chance comes from.
        how: `exit` where SIGTERM is to end it by `sys.exit`, `_exit` by `os._exit`; by default it isn't handled.
            `busy` where it is to run many jobs.
    """
    pid = os.fork()
    if pid == 0:
        if how == "exit":
            signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
        elif how == "_exit":
            signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
        Life(MEASURE, random.Random(seed), 60 if how == "busy" else 0).run()
        return
    tell(f"pid {pid}")
    _, status = os.waitpid(pid, 0)
    tell(f"gone {pid} {os.waitstatus_to_exitcode(status)}")


MEASURE = JobMeasure()

if __name__ == "__main__":
    watchdog()
    for line in sys.stdin:
        live(*line.split()[1:])
