"""An app with an executor: `futures_app.py KIND BEHAVIOUR JOB` submits one call and prints its result as JSON."""

import json
import multiprocessing
import sys
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.integrations.futures import MeasuredExecutor, measured
from otel_job_measure.runtime.default import ready_measure
from otel_job_measure.testing import tasks
from otel_job_measure.testing.conformance import BEHAVIOURS
from tests.integrations.traced import trace_as

BY_NAME: Final = {each.name: each for each in BEHAVIOURS}
_BEHIND: Final = 4
"""How many calls a call has to wait behind, so that it is not yet on its way to a pool's process."""


@ready_measure().job(tasks.DECORATED)
def decorated() -> str:
    """Is measured by its decorator too."""
    return tasks.RESULT


def twice(name: str) -> str:
    """Is measured by a second adapter too."""
    return Adapter("another").around(tasks.succeeds, name)


def executor_of(kind: str, tracing: str) -> Executor:
    """Returns an executor that performs one call at a time."""
    if kind == "threads":
        trace_as(tracing)
        return ThreadPoolExecutor(1)
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=spawn, initializer=trace_as, initargs=(tracing,))


def submitted(pool: MeasuredExecutor, name: str, job: str) -> "Future[Any]":
    """Submits what behaves so."""
    match name:
        case "decorated":
            return pool.submit(decorated)
        case "calls itself":
            return pool.submit(tasks.calls_itself, job)
        case "two adapters":
            return pool.submit(twice, job)
        case _:
            return pool.submit(BY_NAME[name].task)


def main(kind: str, name: str, job: str) -> None:
    """Submits one call, and waits for it."""
    executor = executor_of(kind, BY_NAME[name].tracing)
    with measured(executor, job) as pool:
        if name == "revoked before":
            for _ in range(_BEHIND):
                executor.submit(tasks.waits_for, "go")
        future = submitted(pool, name, job)
        if name == "revoked before":
            assert future.cancel()
            Path("go").touch()
        with suppress(BrokenProcessPool, CancelledError, tasks.TaskError, SystemExit):
            sys.stdout.write(json.dumps(future.result()))


if __name__ == "__main__":
    main(*sys.argv[1:])
