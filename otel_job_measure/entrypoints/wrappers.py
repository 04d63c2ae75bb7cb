"""Runs a job of each kind inside its run: functions, coroutines, and generators of both kinds."""

import inspect
import types
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial
from types import CoroutineType
from typing import Any, cast

from otel_job_measure.entrypoints.lasting import lasting
from otel_job_measure.spans.active_run import ActiveRun

# The types of a job's arguments and results are its own; the decorator keeps them.

_COROUTINE: Any = CoroutineType  # type checkers narrow to a coroutine of unknown types otherwise


def call(run: ActiveRun, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    """Calls a job; if it returns a coroutine, a future or another awaitable, the run lasts until that is done."""
    try:
        run.begin()
        run.wait_for_start()
        with run.current:
            result = function(*args, **kwargs)
        return lasting(run, result)
    except BaseException as error:
        if run.failed(error):
            return None
        raise


async def call_async(run: ActiveRun, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    """Calls a job and awaits its result, if that is awaitable."""
    try:
        run.begin()
        await run.wait_for_start_async()
        with run.current:
            result = function(*args, **kwargs)
            if type(result) is _COROUTINE or is_awaitable(result):
                result = await result
        if hasattr(cast("Any", type(result)), "add_done_callback"):  # only a future can go on from here
            return lasting(run, result)
        run.finish()
        return result  # noqa: TRY300 - an interruption here ends the run too
    except BaseException as error:
        if run.failed(error):
            return None
        raise


def is_awaitable(result: object) -> bool:
    """Returns whether a job's result is awaitable; it raises no `Exception`, not even at the end of the stack."""
    if type(result) is CoroutineType:  # this takes no call, so it works at any depth
        return True
    try:
        return inspect.isawaitable(result)
    except Exception:  # noqa: BLE001 - the class of a result is code of the job
        return False


def measured(opens: Callable[[], ActiveRun], function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a job's measured form, a function of the same kind: many runners look before they call or await.

    `opens` returns a new run for each call.
    """
    seen = function if _tells_its_kind(function) else cast("Any", type(function)).__call__
    if inspect.isasyncgenfunction(seen):
        return _async_generator(opens, function)
    if inspect.isgeneratorfunction(seen):
        generator = _generator(opens, function)
        code: Any = inspect.unwrap(seen.func if isinstance(seen, partial) else seen).__code__
        return types.coroutine(generator) if code.co_flags & inspect.CO_ITERABLE_COROUTINE else generator
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


# The run of a generator begins with its first step, and its span is current only while its body runs. The job gets
# everything that the caller sends or throws, and so decides what comes out.


def _generator(opens: Callable[[], ActiveRun], function: Callable[..., Any]) -> Callable[..., Any]:
    def measured_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401
        run = opens()
        try:
            run.begin()
            run.wait_for_start()
            job = function(*args, **kwargs)
            resume, sent = job.send, None
            while True:
                try:
                    with run.current:
                        item = resume(sent)
                except StopIteration as stop:
                    run.finish()
                    return stop.value
                sent = None
                try:
                    resume, sent = job.send, (yield item)
                except BaseException as error:  # noqa: BLE001 - it is for the job
                    resume, sent = job.throw, error
        except BaseException as error:
            run.finish(error)
            raise

    return measured_generator


def _async_generator(opens: Callable[[], ActiveRun], function: Callable[..., Any]) -> Callable[..., Any]:
    async def measured_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:  # noqa: ANN401
        run = opens()
        try:
            run.begin()
            await run.wait_for_start_async()
            job = function(*args, **kwargs)
            resume, sent = job.asend, None
            while True:
                try:
                    with run.current:
                        item = await resume(sent)
                except StopAsyncIteration:
                    run.finish()
                    return
                sent = None
                try:
                    resume, sent = job.asend, (yield item)
                except BaseException as error:
                    if (
                        getattr(job, "ag_frame", job) is None
                    ):  # the garbage collector has closed it already; it takes no error
                        raise
                    resume, sent = job.athrow, error
        except BaseException as error:
            run.finish(error)
            raise

    return measured_generator


def _tells_its_kind(function: object) -> bool:
    """Returns whether `inspect` knows the kind of a function itself; of any other object it knows `__call__`."""
    return inspect.isroutine(function) or inspect.isclass(function) or isinstance(function, partial)
