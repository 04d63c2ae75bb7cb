"""Jobs for real workers of RQ."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from rq import Retry, get_current_job

from otel_job_measure import JobMeasure


def succeed(value: int = 7) -> int:
    """Returns its argument."""
    return value


def fail() -> None:
    """Raises."""
    raise ValueError("no such table")


def fail_until(count: int) -> str:
    """Raises until it was called so often."""
    if _calls() < count:
        raise ValueError("not yet")
    return "done"


def ask_again(count: int) -> object:
    """Returns a `Retry` until it was called so often."""
    return Retry(max=5) if _calls() < count else "done"


def always_ask_again() -> object:
    """Returns a `Retry` that RQ allows once."""
    return Retry(max=1)


def leave() -> None:
    """Exits as scripts do."""
    sys.exit(3)


def vanish() -> None:
    """Exits without any handler."""
    os._exit(3)


def vanish_well() -> None:
    """Exits without any handler, and without an error."""
    os._exit(0)


def die_by_a_nameless_signal() -> None:
    """Is killed by a signal that has no name of its own."""
    os.kill(os.getpid(), signal.SIGRTMIN + 1)


async def succeed_later() -> int:
    """Is a coroutine."""
    await asyncio.sleep(0)
    return 7


class Reports:
    """Has a job as its method, and one as its call."""

    def weekly(self) -> int:
        """Is a job."""
        return 1

    def __call__(self) -> int:
        """Is another one."""
        return 2


def die() -> None:
    """Is killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(ready: str) -> None:
    """Says that it runs, and then waits for its end."""
    Path(ready).write_text(str(os.getpid()), encoding="ascii")
    time.sleep(600)


def _calls() -> int:
    job: Any = get_current_job()
    return int(job.connection.incr(f"calls:{job.id}"))


def decorated_job() -> int:
    """Is measured by its decorator too."""
    return 1


if "OTEL_JOB_MEASURE_STATE_DIR" in os.environ:
    decorated_job = JobMeasure().job("nightly")(decorated_job)
