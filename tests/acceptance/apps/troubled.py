"""APScheduler with one job: `troubled.py slow` becomes slower, `troubled.py silent` stops in its first run."""

import itertools
import os
import signal
import sys
from datetime import UTC, datetime
from importlib import import_module
from threading import Event
from typing import Any

from otel_job_measure.integrations import apscheduler

schedulers: Any = import_module("apscheduler.schedulers.blocking")  # it has no types
_QUICK_RUNS = 22
_calls = itertools.count()


def slow() -> None:
    """Takes long after some quick runs."""
    Event().wait(0.02 if next(_calls) < _QUICK_RUNS else 0.6)


def silent() -> None:
    """Stops its own process, as a machine does that hangs."""
    os.kill(os.getpid(), signal.SIGSTOP)
    Event().wait()  # the process stops a moment later


def main(name: str) -> None:
    """Runs a job each second."""
    apscheduler.install()
    scheduler = schedulers.BlockingScheduler()
    job = {"slow": slow, "silent": silent}[name]
    scheduler.add_job(job, "interval", seconds=1, id=name, next_run_time=datetime.now(UTC))
    scheduler.start()


if __name__ == "__main__":
    main(sys.argv[1])
