"""The middlewares and the span processor with the environment's settings."""

from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.sdk.trace.sampling import Sampler

from otel_job_measure.entrypoints import middleware
from otel_job_measure.errors import MissingDependencyError, SettingsError, UsageError
from otel_job_measure.rate_limited_log import LOG
from otel_job_measure.runtime.measure import JobMeasure
from otel_job_measure.settings import Settings
from otel_job_measure.spans import processor
from otel_job_measure.spans.rules import SpanRule
from otel_job_measure.spans.sampler import RecordingSampler

_made: dict[str, JobMeasure] = {}


async def job_measure(ctx: object, call_next: Callable[[], Any], /) -> Any:  # noqa: ANN401 - the chain's
    """Measures the rest of a chain as a run of the job `ctx.name` or `ctx["name"]`, as the environment says.

    The environment is read at the first run. Where it is wrong, that is logged as an error, and jobs run unmeasured.

    Args:
        ctx: The chain's context.
        call_next: Calls the rest of the chain.

    Returns:
        What the rest of the chain returns.
    """
    return await middleware.middleware(ready_measure().opener, ctx, call_next)


def job_measure_sync(ctx: object, call_next: Callable[[], Any], /) -> Any:  # noqa: ANN401 - the chain's
    """Measures the rest of a synchronous chain, as `job_measure` does in an asynchronous one.

    Args:
        ctx: The chain's context.
        call_next: Calls the rest of the chain.

    Returns:
        What the rest of the chain returns.
    """
    return middleware.sync_middleware(ready_measure().opener, ctx, call_next)


class JobSpanProcessor(processor.JobSpanProcessor):
    """Measures the spans of a provider that have `scheduling.job.name` at their start.

    An app that opens its spans itself needs only `provider.add_span_processor(JobSpanProcessor())`.

    Args:
        measure: Records the runs. If None, settings are read from the environment at the first such span.
        rules: How job spans of other instrumentations are recognised.

    Raises:
        UsageError: `measure` is not a `JobMeasure`, or `rules` has something other than rules.
    """

    def __init__(self, measure: JobMeasure | None = None, *, rules: Iterable[SpanRule] = ()) -> None:
        rules = tuple(rules)
        given: list[tuple[object, type]] = [(measure, JobMeasure), *((rule, SpanRule) for rule in rules)]
        for one, kind in given:
            if one is not None and not isinstance(one, kind):
                raise UsageError(f"JobSpanProcessor() takes a {kind.__name__} here, and got {type(one).__name__}")
        super().__init__(lambda: (measure or ready_measure()).recorder, rules)

    @staticmethod
    def sampler(wrapped: Sampler) -> Sampler:
        """Returns a sampler for the app's provider with which all job spans are measured, whatever is sampled.

        Spans that have `scheduling.job.name` at their start record; they are exported only as the app's sampler says.

        Args:
            wrapped: The app's sampler.

        Returns:
            The sampler to give to `TracerProvider`.
        """
        return RecordingSampler(wrapped, only_jobs=True)


def ready_measure() -> JobMeasure:
    """Returns the `JobMeasure` of the environment, made at the first call; where that is wrong it measures nothing."""
    kept = _made.get("measure")
    if kept is None:
        # Two threads may come here at once; what they made shares one journal, and one of them is kept.
        made, error = _make()
        kept = _made.setdefault("measure", made)
        if kept is made and error is not None:
            if isinstance(error, SettingsError | MissingDependencyError):
                LOG.error("jobs are not measured: %s", error)
            else:
                LOG.error("jobs are not measured", exc_info=error)
    return kept


def _make() -> tuple[JobMeasure, Exception | None]:
    try:
        return JobMeasure(), None
    except Exception as error:  # noqa: BLE001 - a job is already running
        return JobMeasure(Settings(disabled=True)), error
