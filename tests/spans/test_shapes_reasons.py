"""Time limits and cancellations of other libraries have their reasons, alone and in groups."""

import asyncio
import concurrent.futures
import errno
import multiprocessing
import subprocess
import sys
from pathlib import Path

import anyio
import gevent
import greenlet
import grpc
import pytest
import requests.exceptions
import tornado.util
import trio
import urllib3.exceptions

from otel_job_measure.spans.outcome import outcome_of
from tests.spans.support import Bench


class OwnTimeoutError(TimeoutError):
    pass


class StoppedError(Exception):
    pass


def named(name: str, *, subclass: bool = False) -> BaseException:
    """Returns an exception of a class with a library's name: the library itself is not needed."""
    module, _, qualname = name.rpartition(".")
    kind = type(qualname, (Exception,), {"__module__": module, "__qualname__": qualname})
    error: BaseException = (type("Own", (kind,), {}) if subclass else kind)()
    return error


def trio_cancelled() -> BaseException:
    """Returns what trio raises in a task that is cancelled."""
    caught: list[BaseException] = []

    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as error:
                caught.append(error)
                raise

    trio.run(main)
    return caught[0]


def anyio_timeout() -> BaseException:
    """Returns what comes out of a block with a time limit."""

    async def main() -> None:
        with anyio.fail_after(0):
            await anyio.sleep(60)

    try:
        anyio.run(main)
    except TimeoutError as error:
        return error
    raise AssertionError("no time limit")


def caused(error: BaseException, cause: BaseException) -> BaseException:
    """Returns an exception with a cause: its own class counts."""
    error.__cause__ = cause
    return error


REASONS: list[tuple[BaseException, str]] = [
    (OwnTimeoutError(), "timeout"),
    (named("billiard.exceptions.SoftTimeLimitExceeded"), "timeout"),
    (named("billiard.exceptions.SoftTimeLimitExceeded", subclass=True), "timeout"),
    (named("billiard.exceptions.TimeLimitExceeded"), "timeout"),
    (named("rq.timeouts.BaseTimeoutException", subclass=True), "timeout"),
    (named("dramatiq.middleware.time_limit.TimeLimitExceeded"), "timeout"),
    (named("dramatiq.middleware.shutdown.Shutdown"), "cancelled"),
    (gevent.Timeout(1), "timeout"),
    (trio.TooSlowError(), "timeout"),
    (tornado.util.TimeoutError(), "timeout"),
    (multiprocessing.TimeoutError(), "timeout"),
    (subprocess.TimeoutExpired("sleep", 1), "timeout"),
    (anyio_timeout(), "timeout"),
    (trio_cancelled(), "cancelled"),
    (greenlet.GreenletExit(), "cancelled"),
    (asyncio.CancelledError(), "cancelled"),
    (concurrent.futures.CancelledError(), "cancelled"),
    (named("celery.exceptions.Retry"), "error"),
    (named("celery.exceptions.TaskRevokedError"), "cancelled"),
    (requests.exceptions.ReadTimeout(), "timeout"),
    (urllib3.exceptions.ConnectTimeoutError(), "timeout"),
    (grpc.FutureTimeoutError(), "timeout"),
    (named("httpx.TimeoutException", subclass=True), "timeout"),
    (named("redis.exceptions.TimeoutError"), "timeout"),
    (OSError(errno.ETIMEDOUT, "no answer"), "timeout"),
    (SystemExit("text"), "exit"),
    (SystemExit(bool("failed")), "exit"),
    (caused(ValueError(), TimeoutError()), "error"),
    (caused(OwnTimeoutError(), ValueError()), "timeout"),
    (ExceptionGroup("g", [OwnTimeoutError(), subprocess.TimeoutExpired("x", 1)]), "timeout"),
    (BaseExceptionGroup("g", [trio_cancelled(), trio.TooSlowError()]), "timeout"),
    (BaseExceptionGroup("g", [asyncio.CancelledError(), ExceptionGroup("h", [ValueError()])]), "error"),
    (BaseExceptionGroup("g", [KeyboardInterrupt(), ValueError()]), "signal"),
    (BaseExceptionGroup("g", [SystemExit(3), asyncio.CancelledError()]), "exit"),
    (BaseExceptionGroup("g", [BaseExceptionGroup("h", [trio_cancelled()])]), "cancelled"),
]


@pytest.mark.parametrize(
    ("error", "reason"), REASONS, ids=[f"{n} {type(e).__name__}" for n, (e, _) in enumerate(REASONS)]
)
def test_each_has_the_reason_of_its_meaning(error: BaseException, reason: str) -> None:
    """By class, by the name of a class that is never imported, and a group by its leaves."""
    assert outcome_of(error).reason == reason


def test_expected_leaves_and_good_exits_are_no_failures() -> None:
    """A group of nothing else has ended well."""
    group = BaseExceptionGroup("g", [StoppedError(), SystemExit(0)])
    assert outcome_of(group, (StoppedError,)).status == "end"
    assert outcome_of(BaseExceptionGroup("g", [StoppedError(), ValueError()]), (StoppedError,)).reason == "error"
    assert outcome_of(ExceptionGroup("g", [ValueError()]), (ExceptionGroup,)).status == "end"


def test_an_app_adds_reasons_of_its_own(bench: Bench) -> None:
    """For one job; they take precedence over ours, hold for subclasses, and in groups."""

    def raising(error: BaseException) -> None:
        raise error

    job = bench.job(raising, reasons={StoppedError: "cancelled", TimeoutError: "retry"})
    group = ExceptionGroup("g", [StoppedError(), StoppedError()])
    for error in (StoppedError(), OwnTimeoutError(), ValueError(), group):
        with pytest.raises(type(error)):
            job(error)
    assert [run.reason for run in bench.journal.runs] == ["cancelled", "retry", "error", "cancelled"]
    assert outcome_of(group, (), {ExceptionGroup: "timeout"}).reason == "timeout"


def test_the_nearest_class_counts_in_whichever_order_they_were_given() -> None:
    """Of two reasons that both fit."""
    orders: list[dict[type[BaseException], str]] = [
        {OSError: "retry", TimeoutError: "timeout"},
        {TimeoutError: "timeout", OSError: "retry"},
    ]
    for reasons in orders:
        assert outcome_of(OwnTimeoutError(), (), reasons).reason == "timeout"
        assert outcome_of(ConnectionError(), (), reasons).reason == "retry"


def test_exits_that_mean_success_are_no_failures() -> None:
    """None and zero, `False` among them."""
    for code in (None, 0, False):
        assert outcome_of(SystemExit(code)).status == "end"


def test_no_library_is_imported_for_it(tmp_path: Path) -> None:
    """Neither by the table, nor when a job fails."""
    code = (
        "import sys\nfrom otel_job_measure import JobMeasure\n"
        f"measure = JobMeasure(state_dir={str(tmp_path)!r}, ship=False)\n"
        "try:\n    measure.job('x')(int)('no')\nexcept ValueError: pass\n"
        "print({'celery', 'billiard', 'rq', 'gevent', 'trio', 'tornado'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
