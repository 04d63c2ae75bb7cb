"""The middlewares of both kinds of chains."""

import inspect
from collections.abc import Callable
from typing import Any

from otel_job_measure.entrypoints.wrappers import call, call_async
from otel_job_measure.spans.active_run import UNMEASURED, ActiveRun
from otel_job_measure.spans.naming import name_of
from otel_job_measure.spans.opener import Opener


async def middleware(opener: Opener | None, ctx: object, call_next: Callable[[], Any]) -> Any:  # noqa: ANN401 - the job's
    """Measures the rest of a chain as a run of a job.

    Args:
        opener: Who opens the run; None where the settings are wrong, and the job runs unmeasured.
        ctx: The chain's context; its `name` is the job's.
        call_next: Calls the rest of the chain. What it returns is awaited, where it can be.

    Returns:
        What the rest of the chain returns; None where it raised and `on_error` is `log`.
    """
    if opener is None:
        result = call_next()
        return (await result) if inspect.isawaitable(result) else result
    return await call_async(_open(opener, ctx), call_next)


def sync_middleware(opener: Opener | None, ctx: object, call_next: Callable[[], Any]) -> Any:  # noqa: ANN401 - the job's
    """Measures the rest of a synchronous chain as a run of a job.

    Args:
        opener: Who opens the run; None where the settings are wrong, and the job runs unmeasured.
        ctx: The chain's context; its `name` is the job's.
        call_next: Calls the rest of the chain. Where it returns a coroutine, the run lasts until that is awaited out.

    Returns:
        What the rest of the chain returns; None where it raised and `on_error` is `log`.
    """
    return call_next() if opener is None else call(_open(opener, ctx), call_next)


def _open(opener: Opener, ctx: object) -> ActiveRun:
    try:
        return opener.open(name_of(ctx), swallow=opener.recorder.settings.on_error == "log")
    except Exception as error:  # noqa: BLE001 - no memory, say, or a handler of the app's log that raises
        opener.troubles.append(error)
        return UNMEASURED
