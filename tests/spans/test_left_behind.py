"""Coroutines and generators that are never resumed."""

import contextvars
import gc
import logging
from collections.abc import Generator, Iterator

import pytest
from opentelemetry import trace

from tests.spans.support import App, Bench


def test_what_a_coroutine_leaves_behind_is_closed_in_any_context(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """The garbage collector closes it where it happens to run: no error in the log, and that place stays as it is."""
    caplog.set_level(logging.DEBUG, "opentelemetry")

    class Forever:
        def __await__(self) -> Generator[None, None, None]:
            while True:
                yield

    async def waiting() -> None:
        await Forever()

    async def in_block() -> None:
        async with bench.run("block"):
            await Forever()

    def steps() -> Iterator[None]:
        with bench.run("held across a yield"):
            yield

    for coroutine in (bench.job(waiting)(), in_block()):
        contextvars.copy_context().run(coroutine.send, None)
    generator = steps()
    contextvars.copy_context().run(next, generator)
    with bench.run("here"):
        here = trace.get_current_span()
        del coroutine, generator
        gc.collect()
        assert trace.get_current_span() is here
    reasons = {run.job: run.reason for run in bench.journal.runs}
    assert reasons == {"nightly": "cancelled", "block": "cancelled", "held across a yield": "cancelled", "here": "end"}
    assert not caplog.records


def test_garbage_of_a_job_is_closed_inside_a_task_of_that_job(
    app: App, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A task started in the job inherits its very context, and must keep it."""

    class Forever:
        def __await__(self) -> Generator[None, None, None]:
            while True:
                yield

    inherited: list[contextvars.Context] = []

    async def waiting() -> None:
        inherited.append(contextvars.copy_context())
        await Forever()

    coroutine = bench.job(waiting)()
    contextvars.copy_context().run(coroutine.send, None)
    held = [coroutine]

    def child() -> None:
        before = trace.get_current_span()
        held.clear()
        gc.collect()
        assert trace.get_current_span() is before

    del coroutine
    inherited[0].run(child)
    assert bench.journal.only.reason == "cancelled"
    assert not caplog.records
