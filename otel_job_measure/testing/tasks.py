"""The tasks that the conformance suite has schedulers run: importable by name, so that any process finds them."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from opentelemetry import trace

from otel_job_measure.runtime.default import ready_measure

RESULT: Final = "the task's own result"
TOO_LONG_S: Final = 30.0
"""How long a task takes that is to be stopped."""
NESTED: Final = "conformance-nested"
"""The job that a task calls as another job's decorated function."""
DECORATED: Final = "conformance-decorated"


class TaskError(Exception):
    """What the tasks raise."""


def succeeds() -> str:
    """Returns a result."""
    return RESULT


def raises() -> None:
    """Raises."""
    raise TaskError("on purpose")


async def succeeds_async() -> str:
    """Returns a result after a turn of the loop."""
    await asyncio.sleep(0)
    return RESULT


async def raises_async() -> None:
    """Raises after a turn of the loop."""
    await asyncio.sleep(0)
    raise TaskError("on purpose")


def exits() -> None:
    """Calls `sys.exit` with a code that means a failure."""
    sys.exit(3)


def leaves() -> None:
    """Ends its process without a word."""
    os._exit(3)


def is_killed() -> None:
    """Is killed like a process out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def lasts() -> None:
    """Takes longer than any limit, in steps that a signal or an exception can interrupt."""
    deadline = time.monotonic() + TOO_LONG_S
    while time.monotonic() < deadline:
        time.sleep(0.01)


def names_span() -> str:
    """Returns the ids of the span that it runs in."""
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x} {span.span_id:016x}"


def calls_another() -> str:
    """Calls the decorated function of another job."""
    return ready_measure().job(NESTED)(succeeds)()


def calls_itself(name: str) -> str:
    """Calls what is decorated with the name of the job that runs it."""
    return ready_measure().job(name)(succeeds)()


async def lasts_async() -> None:
    """Takes as long as `lasts`, in a loop."""
    await asyncio.sleep(TOO_LONG_S)


def waits_for(path: str) -> str:
    """Waits until a file is there."""
    while not Path(path).exists():
        time.sleep(0.01)
    return RESULT
