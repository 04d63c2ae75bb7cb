"""An app whose jobs do what they are told: a line on stdin, an answer in JSON on stdout."""

import asyncio
import json
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

from otel_job_measure import JobMeasure

if TYPE_CHECKING:
    from collections.abc import Callable


class App:
    """What it can be told.

    Args:
        measure: Measures its jobs.
    """

    def __init__(self, measure: JobMeasure) -> None:
        self._measure = measure
        self._loop = asyncio.new_event_loop()
        self._open: dict[str, Callable[[], object]] = {}

    def run(self, job: str) -> str:
        with self._measure.run(job) as run:
            return run.uuid

    def fail(self, job: str) -> str:
        uuid = ""
        try:
            with self._measure.run(job) as run:
                uuid = run.uuid
                raise ValueError("the job's own")
        except ValueError:
            return uuid

    def begin(self, job: str) -> str:
        door = self._measure.run(job)
        run = door.__enter__()
        self._open[run.uuid] = lambda: door.__exit__(None, None, None)
        return run.uuid

    def begin_async(self, job: str) -> str:
        door = self._measure.run(job)
        run = self._loop.run_until_complete(door.__aenter__())
        self._open[run.uuid] = lambda: self._loop.run_until_complete(door.__aexit__(None, None, None))
        return run.uuid

    def end(self, uuid: str) -> str:
        self._open.pop(uuid)()
        return uuid

    def many(self, job: str, threads: str, runs: str) -> list[str]:
        uuids: list[str] = []
        together = threading.Barrier(int(threads))

        def work() -> None:
            together.wait()
            uuids.extend([self.run(job) for _ in range(int(runs))])

        workers = [threading.Thread(target=work) for _ in range(int(threads))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return uuids

    def flush(self, timeout_s: str) -> bool:
        return self._measure.flush(float(timeout_s))

    def close(self) -> bool:
        return self._measure.close()

    def health(self) -> dict[str, object]:
        return self._measure.health()._asdict()

    def vanish(self, *job: str) -> str:
        answer(self.run(*job) if job else "")
        os._exit(0)


def answer(value: object) -> None:
    """Answers a line."""
    os.write(1, f"{json.dumps(value, default=str)}\n".encode())


def main() -> None:
    """Does what it is told until stdin ends."""
    logging.basicConfig(level=logging.DEBUG)
    app = App(JobMeasure())
    for line in sys.stdin:
        what, *words = line.split()
        answer(getattr(app, what)(*words))


if __name__ == "__main__":
    main()
