"""`@measure.job` on asynchronous generators."""

import asyncio
import gc
import inspect
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from opentelemetry import trace

from otel_job_measure.entrypoints.decorator import job
from tests.spans.support import App, Bench

NO_SPAN = trace.INVALID_SPAN


def test_an_async_generator_function_stays_one(app: App, bench: Bench) -> None:
    """With its span current while its body runs, across its own awaits, and not between its steps."""

    @job(bench.opener)
    async def nightly(count: int) -> AsyncIterator[int]:
        for number in range(count):
            await asyncio.sleep(0)
            with app.tracer.start_as_current_span(f"inside {number}"):
                pass
            yield number

    async def main() -> list[int]:
        assert inspect.isasyncgenfunction(nightly)
        items: list[int] = []
        async for item in nightly(2):
            assert trace.get_current_span() is NO_SPAN
            items.append(item)
        return items

    assert asyncio.run(main()) == [0, 1]
    assert bench.journal.only.status == "end"
    ours = app.exported["run nightly"].context
    assert (app.exported["inside 0"].parent, app.exported["inside 1"].parent) == (ours, ours)


async def echo_async() -> AsyncGenerator[Any, Any]:
    """The asynchronous twin of `echo`."""
    got: Any = "ready"
    while got is not None:
        try:
            got = yield got
        except ValueError as error:
            got = error


def test_an_async_job_that_ends_well_when_it_is_closed_has_ended(bench: Bench) -> None:
    """As a synchronous one."""

    async def nightly() -> AsyncIterator[int]:
        try:
            yield 1
        except GeneratorExit:
            return

    async def main() -> None:
        steps = bench.job(nightly)()
        await anext(steps)
        await steps.aclose()

    asyncio.run(main())
    assert bench.journal.only.reason == "end"


def test_asend_and_athrow_reach_the_job(bench: Bench) -> None:
    """And what it makes of them comes back."""

    async def main() -> None:
        steps, error = bench.job(echo_async)(), ValueError("x")
        assert await anext(steps) == "ready"
        assert await steps.asend(7) == 7
        assert await steps.athrow(error) is error
        with pytest.raises(StopAsyncIteration):
            await steps.asend(None)

    asyncio.run(main())
    assert bench.journal.only.reason == "end"


def test_nothing_that_was_sent_is_kept(bench: Bench) -> None:
    """As in a synchronous one."""

    class Big:
        pass

    async def nightly() -> AsyncGenerator[None, Big]:
        while True:
            yield

    async def main() -> None:
        steps, big = bench.job(nightly)(), Big()
        gone = weakref.ref(big)
        await anext(steps)
        await steps.asend(big)
        del big
        assert gone() is None
        await steps.aclose()

    asyncio.run(main())


def test_what_an_async_generator_doesnt_catch_comes_out(bench: Bench) -> None:
    """The very exception."""
    error = KeyError("x")

    async def main() -> None:
        steps = bench.job(echo_async)()
        await anext(steps)
        with pytest.raises(KeyError) as caught:
            await steps.athrow(error)
        assert caught.value is error

    asyncio.run(main())
    assert bench.journal.only.facts["error_type"] == "KeyError"


@pytest.mark.parametrize("how", ["aclose", "given up", "loop closed"])
def test_an_async_generator_that_is_closed_is_cancelled(
    bench: Bench, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By its caller, by the garbage collector, or with its event loop."""
    kept: list[Any] = []

    async def main() -> None:
        steps = bench.job(echo_async)()
        await anext(steps)
        if how == "aclose":
            await steps.aclose()
        elif how == "loop closed":
            kept.append(steps)
        del steps
        gc.collect()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert bench.journal.only.reason == "cancelled"
    assert not caplog.records


def test_an_async_generator_closed_before_us_is_cancelled(bench: Bench) -> None:
    """In a ring of garbage the job's own generator may be closed first; ours then finds it already over."""

    async def main() -> None:
        steps = bench.job(echo_async)()
        await anext(steps)
        await steps.ag_frame.f_locals["job"].aclose()
        await steps.aclose()

    asyncio.run(main())
    assert bench.journal.only.reason == "cancelled"


def test_each_step_may_come_from_another_task(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """With a context of its own: nothing is detached where it wasn't attached."""

    async def main() -> None:
        steps = bench.job(echo_async)()
        for expected in ("ready", 1, 2):
            asked = None if expected == "ready" else expected
            assert await asyncio.create_task(steps.asend(asked)) == expected
        await asyncio.create_task(steps.aclose())

    asyncio.run(main())
    assert bench.journal.only.reason == "cancelled"
    assert not caplog.records
