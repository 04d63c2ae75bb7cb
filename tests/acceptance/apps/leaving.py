"""An app that ends together with its run, in one of several ways; it says the run's uuid."""

import logging
import sys
import threading

from otel_job_measure import JobMeasure


def leave(how: str) -> None:
    """Runs a job that may take its process along."""
    with JobMeasure().run("last") as run:
        print(run.uuid, flush=True)
        if how == "exit":
            sys.exit(3)
        if how == "raise":
            raise ValueError("the job's own")
        if how == "thread":
            threading.main_thread().join()


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG)
    if sys.argv[1] == "thread":
        threading.Thread(target=leave, args=sys.argv[1:]).start()
    else:
        leave(*sys.argv[1:])
