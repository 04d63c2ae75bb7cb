"""The middlewares of both kinds of chains."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from otel_job_measure.entrypoints.wrappers import call, call_async
from otel_job_measure.spans.active_run import UNMEASURED, ActiveRun, Opener
from otel_job_measure.spans.naming import name_of, part_of


async def middleware(opener: Opener, ctx: object, call_next: Callable[[], Any]) -> Any:  # noqa: ANN401 - the job's
    """Measures the rest of a chain and awaits its result if it is awaitable."""
    return await call_async(_open(opener, ctx), call_next)


def sync_middleware(opener: Opener, ctx: object, call_next: Callable[[], Any]) -> Any:  # noqa: ANN401 - the job's
    """Measures the rest of a synchronous chain."""
    return call(_open(opener, ctx), call_next)


def _open(opener: Opener, ctx: object) -> ActiveRun:
    try:
        name, schedule = name_of(ctx), part_of(ctx, "schedule")
        if schedule is not None:
            opener.declare(name, _limits(ctx, schedule))
        return opener.open(name, swallow=opener.recorder.settings.on_error == "log")
    except Exception as error:  # noqa: BLE001 - no memory, or a handler of the app's log that raises
        opener.guard.keep(error)
        return UNMEASURED


def _limits(ctx: object, schedule: object) -> Mapping[str, object]:
    """Returns what a context says of its job: a schedule as text with its time zone, or all limits as a mapping."""
    if isinstance(schedule, Mapping):
        return dict(cast("Mapping[str, object]", schedule))
    if not isinstance(schedule, str):
        return {}  # an object of the app's own, which has a schedule in another sense
    timezone = part_of(ctx, "timezone")
    return {"schedule": schedule} | ({"timezone": timezone} if isinstance(timezone, str) else {})
