"""The behaviours of tasks that the conformance suite asks of a scheduler's adapter."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from otel_job_measure.testing import tasks

Tracing = Literal["none", "sampled", "unsampled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One thing that happens to tasks.

    Args:
        name: Its name in the table.
        sentence: What is right, for people.
        task: What the scheduler has to run; for the others the driver decides how it comes about.
        endings: How the runs of the job end, in any order: `end`, or the reason of a failure.
        error_type: The class of the exception, or what takes its place, if the suite compares it.
        others: The runs of other jobs, as (job, ending).
        skipped: The first words of the skipped events, in any order.
        returned: What the scheduler gets as the task's result, if the suite compares it.
        tracing: What the app traces with.
    """

    name: str
    sentence: str
    task: Callable[..., Any] = tasks.succeeds
    endings: tuple[str, ...] = ("end",)
    error_type: str | None = None
    others: tuple[tuple[str, str], ...] = ()
    skipped: tuple[str, ...] = ()
    returned: str | None = None
    tracing: Tracing = "none"


_RAISED: Final = f"{tasks.TaskError.__module__}.{tasks.TaskError.__qualname__}"

BEHAVIOURS: Final = (
    Behaviour(name="succeeds", sentence="A task that returns is an `end`."),
    Behaviour(name="return value", sentence="The scheduler gets the task's result.", returned=tasks.RESULT),
    Behaviour(
        name="raises",
        sentence="A task that raises is `failed`.",
        task=tasks.raises,
        endings=("error",),
        error_type=_RAISED,
    ),
    Behaviour(
        name="async",
        sentence="A coroutine's run lasts until it is done.",
        task=tasks.succeeds_async,
        returned=tasks.RESULT,
    ),
    Behaviour(
        name="async raises",
        sentence="What it raises counts.",
        task=tasks.raises_async,
        endings=("error",),
        error_type=_RAISED,
    ),
    Behaviour(
        name="decorated",
        sentence="A task that is decorated as `conformance-decorated` is measured once, by that name.",
        returned=tasks.RESULT,
    ),
    Behaviour(
        name="calls itself",
        sentence="So is one that calls what has its name.",
        task=tasks.calls_itself,
        returned=tasks.RESULT,
    ),
    Behaviour(
        name="calls another",
        sentence="Another job inside a task is a run of its own.",
        task=tasks.calls_another,
        others=((tasks.NESTED, "end"),),
    ),
    Behaviour(name="two adapters", sentence="Two adapters measure a task once."),
    Behaviour(
        name="sys.exit",
        sentence="`sys.exit(3)` in a task.",
        task=tasks.exits,
        endings=("exit",),
        error_type="SystemExit",
    ),
    Behaviour(name="os._exit", sentence="`os._exit(3)` in a task.", task=tasks.leaves, endings=("exit",)),
    Behaviour(
        name="SIGKILL",
        sentence="The task's process is killed.",
        task=tasks.is_killed,
        endings=("signal",),
        error_type="SIGKILL",
    ),
    Behaviour(
        name="retries, succeeds",
        sentence="The first attempt is a `retry`, the second an `end`.",
        endings=("retry", "end"),
        error_type=_RAISED,
    ),
    Behaviour(
        name="retries, fails", sentence="The last attempt fails.", endings=("retry", "error"), error_type=_RAISED
    ),
    Behaviour(name="soft time limit", sentence="A `timeout`.", task=tasks.lasts, endings=("timeout",)),
    Behaviour(name="hard time limit", sentence="A `timeout` too.", task=tasks.lasts, endings=("timeout",)),
    Behaviour(name="revoked before", sentence="It never runs.", endings=(), skipped=("revoked",)),
    Behaviour(name="revoked during", sentence="The run is `revoked`.", task=tasks.lasts, endings=("revoked",)),
    Behaviour(name="aborted", sentence="A user stops the task: `cancelled`.", task=tasks.lasts, endings=("cancelled",)),
    Behaviour(name="rejected", sentence="The task gives itself back.", endings=("rejected",)),
    Behaviour(name="ignored", sentence="The task says that its outcome does not count.", endings=("skipped",)),
    Behaviour(name="expired", sentence="It came too late to run.", endings=(), skipped=("expired",)),
    Behaviour(name="misfire", sentence="A due time beyond its grace.", endings=(), skipped=("misfire",)),
    Behaviour(
        name="max instances",
        sentence="A due time while the job still runs.",
        endings=("end",),
        skipped=("max_instances",),
    ),
    Behaviour(name="coalesced", sentence="Three due times become one run.", skipped=("coalesced", "coalesced")),
    Behaviour(name="warm shutdown", sentence="SIGTERM lets the task end."),
    Behaviour(name="cold shutdown", sentence="It stops the task.", task=tasks.lasts, endings=("cancelled",)),
    Behaviour(name="chain", sentence="Each of two tasks is a run.", endings=("end", "end")),
    Behaviour(name="group", sentence="So is each of two at once.", endings=("end", "end")),
    Behaviour(name="chord", sentence="And each of two, and what follows them.", endings=("end", "end", "end")),
    Behaviour(name="no provider", sentence="An app that traces nothing is measured."),
    Behaviour(name="traced", sentence="The run has the ids of its span.", task=tasks.names_span, tracing="sampled"),
    Behaviour(
        name="unsampled",
        sentence="A run is measured if its span is not sampled.",
        task=tasks.names_span,
        tracing="unsampled",
    ),
    Behaviour(
        name="foreign span",
        sentence="The span of another instrumentation lends its ids.",
        task=tasks.names_span,
        tracing="sampled",
    ),
    Behaviour(
        name="foreign, unsampled",
        sentence="It does so if it is not sampled.",
        task=tasks.names_span,
        tracing="unsampled",
    ),
    Behaviour(name="InfluxDB away", sentence="What cannot be sent stays on disk; the suite has no server."),
)
"""All behaviours, in the order of the table."""
