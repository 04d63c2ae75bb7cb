"""Jobs that are plain functions and return coroutines."""

import asyncio
import gc
import inspect
from collections.abc import Coroutine
from typing import Any

import pytest
from opentelemetry import trace

from otel_job_measure.entrypoints.decorator import job
from tests.spans.support import App, Bench


class JobError(Exception):
    pass


def test_the_run_of_a_returned_coroutine_lasts_until_it_is_awaited_out(app: App, bench: Bench) -> None:
    """A plain function may hand on the coroutine of another; its span is current at the call and while that runs."""

    async def inner() -> str:
        await asyncio.sleep(0)
        with app.tracer.start_as_current_span("inside"):
            pass
        return "done"

    def nightly() -> Coroutine[Any, Any, str]:
        with app.tracer.start_as_current_span("calling"):
            return inner()

    coroutine = job(bench.opener)(nightly)()
    assert inspect.iscoroutine(coroutine)
    assert coroutine.__name__ == "inner"
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert bench.journal.only.status is None
    assert asyncio.run(coroutine) == "done"
    assert bench.journal.only.status == "end"
    ours = app.exported["run nightly"].context
    assert (app.exported["calling"].parent, app.exported["inside"].parent) == (ours, ours)


def test_a_returned_coroutine_that_raises_fails_the_run(bench: Bench) -> None:
    """And the caller gets what it raised."""

    async def inner() -> None:
        raise JobError

    def nightly() -> Coroutine[Any, Any, None]:
        return inner()

    with pytest.raises(JobError):
        asyncio.run(job(bench.opener)(nightly)())
    assert bench.journal.only.reason == "error"


def test_a_returned_coroutine_cancelled_before_its_first_step_ends_the_run(bench: Bench) -> None:
    """No line of it ever runs, and none of ours in it."""

    async def inner() -> None:
        raise AssertionError

    def nightly() -> Coroutine[Any, Any, None]:
        return inner()

    async def main() -> None:
        task = asyncio.create_task(job(bench.opener)(nightly)())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    gc.collect()
    assert bench.journal.only.reason == "cancelled"


def test_a_returned_coroutine_that_nobody_awaits_ends_the_run(bench: Bench) -> None:
    """With Python's own warning, once, as without us."""

    async def inner() -> None:
        pass

    def nightly() -> Coroutine[Any, Any, None]:
        return inner()

    with pytest.warns(RuntimeWarning, match="inner' was never awaited") as warned:  # noqa: PT031 - it warns when it goes
        abandoned = job(bench.opener)(nightly)()
        del abandoned
    gc.collect()
    assert len(warned) == 1
    assert bench.journal.only.reason == "cancelled"
