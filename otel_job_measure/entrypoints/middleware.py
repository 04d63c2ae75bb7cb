"""The middlewares of both kinds of chains."""

import inspect
from collections.abc import Callable
from typing import Any

from otel_job_measure.entrypoints.wrappers import call, call_async
from otel_job_measure.spans.active_run import UNMEASURED, ActiveRun, Opener
from otel_job_measure.spans.naming import name_of


async def middleware(opener: Opener | None, ctx: object, call_next: Callable[[], Any]) -> Any:  # noqa: ANN401 - the job's
    """Measures the rest of a chain and awaits its result if it is awaitable; without an opener it only calls it."""
    if opener is None:
        result = call_next()
        return (await result) if inspect.isawaitable(result) else result
    return await call_async(_open(opener, ctx), call_next)


def sync_middleware(opener: Opener | None, ctx: object, call_next: Callable[[], Any]) -> Any:  # noqa: ANN401 - the job's
    """Measures the rest of a synchronous chain; without an opener it only calls it."""
    return call_next() if opener is None else call(_open(opener, ctx), call_next)


def _open(opener: Opener, ctx: object) -> ActiveRun:
    try:
        return opener.open(name_of(ctx), swallow=opener.recorder.settings.on_error == "log")
    except Exception as error:  # noqa: BLE001 - no memory, or a handler of the app's log that raises
        opener.guard.keep(error)
        return UNMEASURED
