"""An app that ends together with its run, in one of several ways; it says the run's uuid."""

import logging
import os
import sys
import threading
from collections.abc import Callable

from otel_job_measure import JobMeasure


def leave(how: str, measure: Callable[[], JobMeasure]) -> None:
    """Runs a job that may take its process along."""
    if how in {"thread", "late"}:
        threading.main_thread().join()
    with measure().run("last") as run:
        os.write(1, f"{run.uuid}\n".encode())
        if how == "exit":
            sys.exit(3)
        if how == "raise":
            raise ValueError("the job's own")


def main(how: str) -> None:
    """Leaves in one way."""
    logging.basicConfig(level=logging.DEBUG)
    if how == "late":
        threading.Thread(target=leave, args=(how, JobMeasure)).start()
        return
    measure = JobMeasure()
    if how == "thread":
        threading.Thread(target=leave, args=(how, lambda: measure)).start()
    else:
        leave(how, lambda: measure)


if __name__ == "__main__":
    main(*sys.argv[1:])
