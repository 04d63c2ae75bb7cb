"""An app of Celery whose tasks do what tasks seldom do."""

import os
import signal
import sys
from importlib import import_module
from typing import Any, Final

from otel_job_measure.runtime.default import ready_measure
from tests.integrations import celery_app
from tests.integrations.celery_accepted import Request, until_accepted

app: Any = celery_app.app
REAL_TIME: Final = signal.SIGRTMIN + 1


@celery_app.task(name="asks again", bind=True)
def asks_again(self: Any) -> str:  # noqa: ANN401 - the task
    """Asks for another attempt, and returns."""
    if not self.request.retries:
        self.retry(countdown=0, throw=False, exc=ValueError("not yet"))
    return "done"


@celery_app.task(name="by itself", autoretry_for=(ValueError,), default_retry_delay=0, retry_kwargs={"max_retries": 1})
def by_itself() -> None:
    """Raises what Celery tries again without being asked."""
    raise ValueError("no such table")


@celery_app.task(name="replaces", bind=True)
def replaces(self: Any) -> None:  # noqa: ANN401 - the same
    """Has another task run in its place."""
    raise self.replace(celery_app.succeed.si())


@celery_app.task(name="vanishes", bind=True, Request=Request)
def vanishes(self: Any) -> None:  # noqa: ANN401 - the same
    """Exits without any handler, and without an error."""
    until_accepted(self)
    os._exit(0)


@celery_app.task(name="nameless signal", bind=True, Request=Request)
def nameless_signal(self: Any) -> None:  # noqa: ANN401 - the same
    """Is killed by a signal without a name of its own."""
    until_accepted(self)
    os.kill(os.getpid(), REAL_TIME)


@celery_app.task(name="redelivered", bind=True, acks_late=True, reject_on_worker_lost=True, Request=Request)
def redelivered(self: Any) -> None:  # noqa: ANN401 - the same
    """Is killed, and goes back to the queue, until it comes from there."""
    if not self.request.delivery_info["redelivered"]:
        until_accepted(self)
        os.kill(os.getpid(), signal.SIGKILL)


@celery_app.task(name="exits well", bind=True, Request=Request)
def exits_well(self: Any) -> None:  # noqa: ANN401 - the same
    """Exits without an error."""
    until_accepted(self)
    sys.exit(0)


@celery_app.task(name="applies")
def applies() -> str:
    """Runs a task in its own, and calls another one as a function."""
    return str(celery_app.fail.apply().state) + str(celery_app.succeed())


class Counted(import_module("celery").Task):  # type: ignore[misc]  # Celery has no types
    """A task class with a call of its own."""

    def __call__(self, *args: object, **more: object) -> object:
        """Calls the function."""
        return self.run(*args, **more)


@celery_app.task(name="of a class", base=Counted)
def of_a_class() -> None:
    """Does nothing."""


@import_module("celery").shared_task(name="shared")  # type: ignore[untyped-decorator]
def shared() -> None:
    """Does nothing."""


@celery_app.task(name="tasks.nightly")
@ready_measure().job("nightly")
def decorated() -> None:
    """Does nothing."""
