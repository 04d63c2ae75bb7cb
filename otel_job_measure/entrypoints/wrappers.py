"""Runs a job of each kind inside its run: functions, coroutines, and generators of both kinds."""

import inspect
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial
from types import CoroutineType
from typing import Any, cast

from otel_job_measure.entrypoints.awaitable import is_awaitable
from otel_job_measure.spans.active_run import ActiveRun

# What a job takes, gives, sends and returns is its own business; the decorator keeps its types.


def call(opening: ActiveRun, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    """Calls a job.

    Args:
        opening: Its run.
        function: The job. Where it returns a coroutine, the run lasts until that is awaited out.
        *args: For the job.
        **kwargs: For the job.

    Returns:
        What the job returns; None where what it raised was swallowed.
    """
    result: Any = None
    with opening:
        opening.wait_for_start()
        with opening.current:
            result = function(*args, **kwargs)
        if _is_coroutine(result):
            result = _followed(opening, result)
        else:
            opening.end(None)  # while an interruption still finds the block around it
    return result


async def call_async(opening: ActiveRun, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    """Calls a job and awaits what it returns, where that can be awaited.

    Args:
        opening: Its run.
        function: The job.
        *args: For the job.
        **kwargs: For the job.

    Returns:
        What the job returns in the end; None where what it raised was swallowed.
    """
    result: Any = None
    with opening:
        await opening.wait_for_start_async()
        with opening.current:
            returned = function(*args, **kwargs)
            result = await returned if _is_coroutine(returned) or is_awaitable(returned) else returned
        opening.end(None)
    return result


def measured(opens: Callable[[], ActiveRun], function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a job its measured form.

    Args:
        opens: Opens a run, once a call.
        function: The job.

    Returns:
        A function of the same kind: many runners look before they call or await.
    """
    seen = function if _tells_its_kind(function) else cast("Any", type(function)).__call__
    if inspect.isasyncgenfunction(seen):
        return _async_generator(opens, function)
    if inspect.isgeneratorfunction(seen):
        return _generator(opens, function)
    if inspect.iscoroutinefunction(seen):
        return _coroutine_function(opens, function)
    return _function(opens, function)


def _function(opens: Callable[[], ActiveRun], function: Callable[..., Any]) -> Callable[..., Any]:
    def measured_function(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return call(opens(), function, *args, **kwargs)

    return measured_function


def _coroutine_function(opens: Callable[[], ActiveRun], function: Callable[..., Any]) -> Callable[..., Any]:
    async def measured_coroutine(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return await call_async(opens(), function, *args, **kwargs)

    return measured_coroutine


# The run of a generator begins with its first step, and its span is current only while its body runs. What the caller
# sends, throws, or closes it with, goes to the job; so the job decides what comes out.


def _generator(opens: Callable[[], ActiveRun], function: Callable[..., Any]) -> Callable[..., Any]:
    def measured_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401
        with opens() as opening:
            opening.wait_for_start()
            job = function(*args, **kwargs)
            resume, sent = job.send, None
            while True:
                try:
                    with opening.current:
                        item = resume(sent)
                except StopIteration as stop:
                    return stop.value
                sent = None
                try:
                    resume, sent = job.send, (yield item)
                except BaseException as error:  # noqa: BLE001 - it is for the job
                    resume, sent = job.throw, error

    return measured_generator


def _async_generator(opens: Callable[[], ActiveRun], function: Callable[..., Any]) -> Callable[..., Any]:
    async def measured_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:  # noqa: ANN401
        with opens() as opening:
            await opening.wait_for_start_async()
            job = function(*args, **kwargs)
            resume, sent = job.asend, None
            while True:
                try:
                    with opening.current:
                        item = await resume(sent)
                except StopAsyncIteration:
                    return
                sent = None
                try:
                    resume, sent = job.asend, (yield item)
                except BaseException as error:
                    if job.ag_frame is None:  # closed by the garbage collector before us; it would take no error
                        raise
                    resume, sent = job.athrow, error

    return measured_generator


def _tells_its_kind(function: object) -> bool:
    """Tells whether a function can be asked what it is; any other object's class must be."""
    return inspect.isroutine(function) or inspect.isclass(function) or isinstance(function, partial)


def _is_coroutine(result: object) -> bool:
    return type(result) is CoroutineType  # it has no subclasses, and what a job returns may lie about its class


def _followed(opening: ActiveRun, coroutine: Any) -> Any:  # noqa: ANN401
    """Returns a coroutine in the place of a job's own, which ends the run when it ends, or when it is given up."""
    following: Any = None
    finalizer: Any = None
    try:
        following = _follow(opening, coroutine)
        following.__name__, following.__qualname__ = coroutine.__name__, coroutine.__qualname__
        finalizer = weakref.finalize(following, _give_up, opening, coroutine)
        finalizer.atexit = False
        opening.hand_over()
    except Exception:  # noqa: BLE001 - no memory, say: the job's own is what the caller is to have
        if finalizer is not None:
            finalizer.detach()
        if following is not None:
            following.close()
        opening.end(None)
        return coroutine
    return following


async def _follow(opening: ActiveRun, coroutine: Any) -> Any:  # noqa: ANN401
    with opening, opening.current:
        return await coroutine


def _give_up(opening: ActiveRun, coroutine: Any) -> None:  # noqa: ANN401
    # A coroutine that is cancelled before its first step, or never awaited, runs no line of its own.
    if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
        coroutine.close()
    opening.end(GeneratorExit())
