"""Runs that begin and end in odd places: each way is a process of its own, which ends with it."""

import asyncio
import atexit
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from typing import Final

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_job_measure import JobMeasure
from soak.reporting import Reported, tell, watchdog

MEASURE: Final = JobMeasure()
_KEPT: Final[list[object]] = []


def run(job: str) -> None:
    """Runs a job that does nothing."""
    with Reported(MEASURE.run(job)):
        pass


def signal_handlers() -> None:
    """Runs jobs in a handler that comes at any line of other runs."""
    handled: list[int] = []

    def handle(_number: int, _frame: object) -> None:
        handled.append(1)
        run("handler")

    signal.signal(signal.SIGVTALRM, handle)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.001, 0.001)
    while len(handled) < 50:
        run("handled")
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, signal.SIG_IGN)


class Last:
    """Something whose last act is a job; in a ring, so that only the collector finds it."""

    def __init__(self) -> None:
        self.ring = self

    def __del__(self) -> None:
        run("last act")


def garbage_collector() -> None:
    """Has the collector come every few allocations, in runs and in our thread."""
    gc.set_threshold(5)
    for _ in range(200):
        Last()
        run("collected")
    gc.set_threshold(700)


def at_exit() -> None:
    """Runs jobs after our own hook at the exit, and before it."""
    atexit.register(run, "before ours")
    run("first")
    atexit.register(run, "registered later")


def globals_at_exit() -> None:
    """Leaves an object to the end of the interpreter, whose last act is a job."""
    _KEPT.append(Last())
    sys.modules["kept by nobody"] = _KEPT[0]  # type: ignore[assignment]
    run("first")


def daemon_threads() -> None:
    """Goes down while threads run jobs; those never come to their end."""
    begun = threading.Barrier(5)

    def jobs() -> None:
        run("daemon")
        begun.wait()
        while True:
            run("daemon")

    for _ in range(4):
        threading.Thread(target=jobs, daemon=True).start()
    begun.wait()


def abandoned_generators() -> None:
    """Leaves generators in the middle of their runs, to be collected now and at the end."""

    @MEASURE.job("generator")
    def numbers() -> Generator[int]:
        yield 1
        yield 2

    for _ in range(20):
        next(numbers())
    _KEPT.append(numbers())
    next(_KEPT[-1])  # type: ignore[call-overload]
    run("beside")


def cancelled_tasks() -> None:
    """Cancels tasks at once, in the middle, and with their loop."""

    async def work() -> None:
        with Reported(MEASURE.run("task")):
            await asyncio.Event().wait()

    async def main() -> None:
        tasks = [asyncio.create_task(work()) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tasks[0]

    asyncio.run(main())


def after_the_provider() -> None:
    """Goes on running jobs after the app has shut its provider down."""
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    run("before")
    provider.shutdown()
    for _ in range(20):
        run("after")


def after_close() -> None:
    """Closes between runs, and in one."""
    for _ in range(20):
        run("before")
        MEASURE.close(1)
        with Reported(MEASURE.run("during")):
            MEASURE.close(1)


WAYS: Final[dict[str, Callable[[], None]]] = {
    way.__name__: way
    for way in (
        signal_handlers,
        garbage_collector,
        at_exit,
        globals_at_exit,
        daemon_threads,
        abandoned_generators,
        cancelled_tasks,
        after_the_provider,
        after_close,
    )
}

if __name__ == "__main__":
    watchdog()
    WAYS[sys.argv[1]]()
    tell(f"left {os.getpid()}")
