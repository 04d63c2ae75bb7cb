"""An app with APScheduler: `apscheduler_app.py EXECUTOR BEHAVIOUR JOB` runs one task and prints its result as JSON."""

# gevent patches before anything is imported
import sys

if sys.argv[1:2] == ["gevent"]:
    from gevent import monkey

    monkey.patch_all()

import asyncio
import json
import logging
import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from otel_job_measure.integrations import apscheduler
from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.runtime.default import ready_measure
from otel_job_measure.testing import tasks
from otel_job_measure.testing.conformance import BEHAVIOURS, Behaviour
from tests.integrations.traced import trace_as

events: Any = import_module("apscheduler.events")  # it has no types
OVER: Final = events.EVENT_JOB_EXECUTED | events.EVENT_JOB_ERROR | events.EVENT_JOB_MISSED
DIED: Final = 0
BY_NAME: Final = {each.name: each for each in BEHAVIOURS}


@ready_measure().job(tasks.DECORATED)
def decorated() -> str:
    """Is measured by its decorator too."""
    return tasks.RESULT


def twice(name: str) -> str:
    """Is measured by a second adapter too."""
    return Adapter("another").around(tasks.succeeds, name)


class App:
    """One scheduler with one job."""

    def __init__(self, executor: str, behaviour: Behaviour, job: str) -> None:
        self.behaviour = behaviour
        self.job = job
        self.events: queue.Queue[Any] = queue.Queue()
        options: dict[str, object] = {"type": executor}
        if executor == "processpool":
            options["pool_kwargs"] = {"initializer": trace_as, "initargs": (behaviour.tracing,)}
        self.scheduler = self.scheduler_of(executor)(executors={"default": options})
        self.scheduler.add_listener(self.events.put)
        logging.getLogger("apscheduler.executors.default").addFilter(self.heard)

    @staticmethod
    def scheduler_of(executor: str) -> Any:  # noqa: ANN401 - APScheduler's
        """Returns the scheduler that has an executor as its own."""
        own = {"asyncio": "AsyncIO", "gevent": "Gevent", "tornado": "Tornado", "twisted": "Twisted"}.get(
            executor, "Background"
        )
        return getattr(import_module(f"apscheduler.schedulers.{own.lower()}"), f"{own}Scheduler")

    def add(self) -> None:
        """Adds the job."""
        now = datetime.now(UTC)
        options: dict[str, Any] = {"id": self.job, "misfire_grace_time": None}
        match self.behaviour.name:
            case "decorated":
                self.scheduler.add_job(decorated, **{**options, "id": "by-its-id"})
            case "calls itself":
                self.scheduler.add_job(tasks.calls_itself, args=[self.job], **options)
            case "two adapters":
                self.scheduler.add_job(twice, args=[self.job], **options)
            case "misfire":
                due = now - timedelta(minutes=1)
                self.scheduler.add_job(tasks.succeeds, run_date=due, **{**options, "misfire_grace_time": 1})
            case "coalesced":
                times = {"next_run_time": now - timedelta(seconds=2.5), "end_date": now - timedelta(seconds=0.2)}
                self.scheduler.add_job(tasks.succeeds, "interval", seconds=1, coalesce=True, **times, **options)
            case "max instances":
                self.scheduler.add_job(
                    tasks.waits_for, "interval", days=1, args=[self.flag], next_run_time=now, **options
                )
            case "cold shutdown":
                self.scheduler.add_job(tasks.lasts_async, **options)
            case _:
                self.scheduler.add_job(self.behaviour.task, **options)

    @property
    def flag(self) -> str:
        """Returns the file that a waiting task waits for."""
        return str(Path.cwd() / "go")

    def saw(self, event: Any) -> bool:  # noqa: ANN401 - APScheduler's
        """Looks at an event; returns whether all is over."""
        if self.behaviour.name == "max instances":
            if event.code == events.EVENT_JOB_SUBMITTED:
                self.scheduler.modify_job(self.job, next_run_time=datetime.now(UTC))
            if event.code == events.EVENT_JOB_MAX_INSTANCES:
                Path(self.flag).touch()
        if self.behaviour.name == "cold shutdown" and event.code == events.EVENT_JOB_SUBMITTED:
            self.scheduler.shutdown()
        if event.code & OVER:
            sys.stdout.write(json.dumps(getattr(event, "retval", None)))
            return True
        return bool(event.code == DIED)

    def heard(self, record: logging.LogRecord) -> bool:
        """Hears of a process that died: no event tells."""
        if record.getMessage().startswith("Error running job"):
            self.events.put(SimpleNamespace(code=DIED))
        return True


def main(executor: str, name: str, job: str) -> None:
    """Runs one task."""
    behaviour = BY_NAME[name]
    trace_as(behaviour.tracing)
    apscheduler.install()
    apscheduler.install()
    if executor in {"asyncio", "tornado"}:
        asyncio.run(in_loop(executor, behaviour, job))
    else:
        if executor == "twisted":
            reactor: Any = import_module("twisted.internet.reactor")
            threading.Thread(target=reactor.run, args=(False,), daemon=True).start()
        app = App(executor, behaviour, job)
        app.scheduler.start()
        app.add()
        wait(app, app.events.get)
        app.scheduler.shutdown()


def wait(app: App, get: Callable[[], Any]) -> None:
    """Waits until all is over."""
    while not app.saw(get()):
        pass


async def in_loop(executor: str, behaviour: Behaviour, job: str) -> None:
    """Does the same in a loop."""
    app = App(executor, behaviour, job)
    app.scheduler.start()
    app.add()
    while not app.saw(await asyncio.to_thread(app.events.get)):
        pass
    if app.scheduler.running:
        app.scheduler.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
