"""An app of many processes that all run one job twice: once to its end, then into a wait that only a signal ends."""

import os
import signal
import sys

from otel_job_measure import JobMeasure


def main(count: int) -> None:
    """Forks; each child tells its process id and the uuids of both runs; waits until all children are gone."""
    measure = JobMeasure()
    for _ in range(count):
        if os.fork() == 0:
            with measure.run("herd") as done:
                pass
            with measure.run("herd") as run:
                os.write(1, f"{os.getpid()} {done.uuid} {run.uuid}\n".encode())
                signal.pause()
    for _ in range(count):
        os.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
