"""An app that knows nothing of this package: it runs a job in a thread and one in a process pool."""

import json
import sys
import threading
from importlib import import_module
from typing import Any


def loaded() -> list[str]:
    """Returns the modules of this package in the process that runs the job."""
    return sorted(name for name in sys.modules if name.startswith("otel_job_measure"))


def main() -> None:
    """Runs the jobs."""
    background: Any = import_module("apscheduler.schedulers.background")
    over: Any = import_module("apscheduler.events")
    told, done = dict[str, object](), threading.Semaphore(0)

    def heard(event: Any) -> None:  # noqa: ANN401 - APScheduler's
        told[event.job_id] = getattr(event, "retval", None)
        done.release()

    scheduler = background.BackgroundScheduler(
        executors={"default": {"type": "threadpool"}, "pool": {"type": "processpool"}}
    )
    scheduler.add_listener(heard, over.EVENT_JOB_EXECUTED | over.EVENT_JOB_MISSED | over.EVENT_JOB_ERROR)
    scheduler.start()
    scheduler.add_job(loaded, id="in-a-thread", misfire_grace_time=None)
    scheduler.add_job(loaded, id="in-a-pool", executor="pool", misfire_grace_time=None)
    done.acquire()
    done.acquire()
    scheduler.shutdown()
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
