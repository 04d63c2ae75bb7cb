"""The middlewares, in chains and on their own."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace

from otel_job_measure.entrypoints.compose import compose, compose_sync
from otel_job_measure.entrypoints.middleware import middleware, sync_middleware
from tests.spans.support import Anything, App, Bench

CONTEXTS = [SimpleNamespace(name="nightly"), {"name": "nightly"}]


def answer_at_once(ctx: Anything) -> Anything:
    """Is a synchronous handler."""
    return ctx


async def answer(ctx: Anything) -> Anything:
    """Is a handler."""
    await asyncio.sleep(0)
    return ctx


@pytest.mark.parametrize("ctx", CONTEXTS, ids=["attribute", "item"])
@pytest.mark.parametrize("handler", [answer, answer_at_once], ids=["async", "sync"])
def test_a_chain_measures_its_handler(bench: Bench, ctx: Anything, handler: Callable[[Any], Any]) -> None:
    """The name is the context's; the chain gives what the handler gives."""
    assert asyncio.run(bench.chain(handler)(ctx)) is ctx
    assert (bench.journal.only.job, bench.journal.only.status) == ("nightly", "end")


@pytest.mark.parametrize("ctx", CONTEXTS, ids=["attribute", "item"])
def test_a_sync_chain_does_the_same(bench: Bench, ctx: Anything) -> None:
    """With the twin."""
    assert compose_sync([bench.sync_middleware], lambda ctx: ctx)(ctx) is ctx
    assert (bench.journal.only.job, bench.journal.only.status) == ("nightly", "end")


def test_the_sync_middleware_works_in_an_async_chain(app: App, bench: Bench) -> None:
    """The run lasts until the rest of the chain is awaited out."""

    async def handler(ctx: Anything) -> str:
        await asyncio.sleep(0)
        assert bench.journal.only.status is None
        assert trace.get_current_span().is_recording()
        return "done"

    assert asyncio.run(compose([bench.sync_middleware], handler)({"name": "nightly"})) == "done"
    assert bench.journal.only.status == "end"


def test_next_may_return_anything_that_can_be_awaited_or_not(bench: Bench) -> None:
    """Chains of other makers hand on futures, or plain values."""

    class Promise:
        def __await__(self) -> Anything:
            yield from asyncio.sleep(0).__await__()
            return "kept"

    async def main() -> list[Any]:
        future = asyncio.get_running_loop().create_future()
        future.set_result("future")
        nexts: list[Callable[[], Any]] = [Promise, lambda: future, lambda: 7]
        return [await bench.middleware({"name": "nightly"}, one) for one in nexts]

    assert asyncio.run(main()) == ["kept", "future", 7]
    assert [run.status for run in bench.journal.runs] == ["end"] * 3


def test_a_failing_handler_fails_the_run_and_its_error_goes_on(bench: Bench) -> None:
    """The very exception."""
    error = ValueError("x")

    def failing(ctx: Anything) -> None:
        raise error

    with pytest.raises(ValueError, match="x") as caught:
        asyncio.run(bench.chain(failing)({"name": "nightly"}))
    assert caught.value is error
    with pytest.raises(ValueError, match="x"):
        compose_sync([bench.sync_middleware], failing)({"name": "nightly"})
    assert [run.reason for run in bench.journal.runs] == ["error", "error"]


def raising(error: BaseException) -> Callable[[], Any]:
    """Gives a `next` that raises."""

    def call_next() -> None:
        raise error

    return call_next


def raising_async(error: BaseException) -> Callable[[], Awaitable[Any]]:
    """Gives a `next` that raises when it is awaited."""

    async def call_next() -> None:
        raise error

    return call_next


@pytest.mark.parametrize("make", [raising, raising_async])
def test_on_error_log_swallows_an_exception_after_logging_it(
    make: Callable[[BaseException], Callable[[], Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """As the old middleware did: the chain goes on, the run has failed, the log has the traceback."""
    bench, error = Bench(on_error="log"), ValueError("x")
    assert asyncio.run(bench.middleware({"name": "nightly"}, make(error))) is None
    assert bench.journal.only.reason == "error"
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert "'nightly'" in record.getMessage()
    assert bench.journal.only.uuid in record.getMessage()


def test_on_error_log_holds_for_sync_chains_too(caplog: pytest.LogCaptureFixture) -> None:
    """Also where the rest of the chain turns out to be a coroutine."""
    bench = Bench(on_error="log")
    assert bench.sync_middleware({"name": "nightly"}, raising(ValueError("x"))) is None
    assert asyncio.run(bench.sync_middleware({"name": "nightly"}, raising_async(ValueError("x")))) is None
    assert [run.reason for run in bench.journal.runs] == ["error", "error"]
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyboardInterrupt(), "signal"),
        (SystemExit(1), "exit"),
        (asyncio.CancelledError(), "cancelled"),
        (GeneratorExit(), "cancelled"),
    ],
)
@pytest.mark.parametrize("make", [raising, raising_async])
def test_on_error_log_never_swallows_a_base_exception(
    make: Callable[[BaseException], Callable[[], Any]], error: BaseException, reason: str
) -> None:
    """Time-outs and shut-downs would break."""
    bench = Bench(on_error="log")
    coroutine = bench.middleware({"name": "nightly"}, make(error))
    with pytest.raises(type(error)) as caught:
        coroutine.send(None)
    assert caught.value is error
    with pytest.raises(type(error)):
        bench.sync_middleware({"name": "nightly"}, raising(error))
    assert [run.reason for run in bench.journal.runs] == [reason, reason]


def test_on_error_concerns_the_middlewares_only() -> None:
    """A decorated function or a block raises as ever."""
    bench = Bench(on_error="log")
    with pytest.raises(ValueError, match="x"):
        bench.job(raising(ValueError("x")))()
    with pytest.raises(ValueError, match="x"), bench.run():
        raise ValueError("x")


def test_a_context_without_a_name_is_measured_as_unnamed(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The job itself always runs."""
    assert [asyncio.run(bench.chain(answer)(ctx)) for ctx in (None, 7)] == [None, 7]
    assert [run.job for run in bench.journal.runs] == ["unnamed", "unnamed"]
    assert len(caplog.records) == 1


def test_turned_off_the_chain_goes_straight_through(app: App) -> None:
    """With what it raises, whatever `on_error` says."""
    bench = Bench(app.provider, disabled=True, on_error="log")
    assert asyncio.run(bench.chain(answer)({"name": "nightly"})) == {"name": "nightly"}
    with pytest.raises(ValueError, match="x"):
        bench.sync_middleware({"name": "nightly"}, raising(ValueError("x")))
    assert not bench.journal.appended
    assert not app.exported


def test_the_middleware_is_a_real_coroutine_function() -> None:
    """Some runners look, and don't await what isn't one."""
    assert inspect.iscoroutinefunction(middleware)
    assert not inspect.iscoroutinefunction(sync_middleware)
