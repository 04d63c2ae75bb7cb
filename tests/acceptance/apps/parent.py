"""An app that makes children inside a run, in one of several ways; each of them runs a job."""

import logging
import multiprocessing
import os
import sys
from typing import TYPE_CHECKING, Any

from otel_job_measure import JobMeasure

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

CHILDREN = 3
MEASURE = JobMeasure()


def work(uuids: "SimpleQueue[str]") -> None:
    """Does so in a child."""
    uuids.put(work_and_tell(0))


def work_and_tell(_number: int) -> str:
    """Runs a job twice and returns both uuids; only a flush or a regular exit sends the second run."""
    with MEASURE.run("child") as first:
        pass
    assert MEASURE.flush(30)
    with MEASURE.run("child") as second:
        return f"{first.uuid} {second.uuid}"


def forked() -> list[str]:
    """Forks children that leave through everything that their parent is in."""
    told, tell = os.pipe()
    for _ in range(CHILDREN):
        if os.fork() == 0:
            os.write(tell, f"{work_and_tell(0)}\n".encode())
            sys.exit()
    os.close(tell)
    for _ in range(CHILDREN):
        os.wait()
    with os.fdopen(told) as lines:
        return [line.strip() for line in lines]


def children(method: str) -> list[str]:
    """Makes children one way and waits until they are gone; returns the uuids of their runs."""
    if method == "os.fork":
        return forked()
    if method == "pool":
        with multiprocessing.get_context("fork").Pool(CHILDREN) as pool:
            found = pool.map(work_and_tell, range(CHILDREN), chunksize=1)
            pool.close()
            pool.join()
        return found
    context: Any = multiprocessing.get_context(method)
    uuids: SimpleQueue[str] = context.SimpleQueue()
    processes = [context.Process(target=work, args=(uuids,)) for _ in range(CHILDREN)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [uuids.get() for _ in processes]


def main(method: str) -> None:
    """Tells all uuids when everything that the app has itself is delivered, and waits until stdin ends."""
    logging.basicConfig(level=logging.DEBUG)
    with MEASURE.run("before") as before:
        pass
    assert MEASURE.flush(30)  # so that there is a thread and a connection, which are the parent's
    with MEASURE.run("parent") as parent:
        found = children(method)
    assert MEASURE.flush(30)
    os.write(1, f"{' '.join([before.uuid, parent.uuid, *found])}\n".encode())
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
