"""A sampler with which runs record, and the warning of one without it that can drop them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import AnyValue, Attributes

from otel_job_measure import names
from otel_job_measure.rate_limited_log import once

_KEEPS_ALL: Final = ("AlwaysOnSampler", "TraceIdRatioBased{1.0}", "TraceIdRatioBased{1}")
_once = once(__name__)


class RecordingSampler(Sampler):
    """Records every run, and samples exactly those that the app's own sampler samples.

    With `only_jobs`, for a whole provider, spans without a job's name are left to the app's sampler.
    """

    def __init__(self, app_sampler: Sampler, *, only_jobs: bool = False) -> None:
        self._app_sampler = app_sampler
        self._only_jobs = only_jobs

    def should_sample(  # noqa: PLR0913, PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Asks the app's sampler, and turns its DROP into RECORD_ONLY."""
        # The SDK gives no trace state, and samplers of the app's own making may not know the argument.
        ask = self._app_sampler.should_sample
        if trace_state is None:
            answer = ask(parent_context, trace_id, name, kind, attributes, links)
        else:
            answer = ask(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if self._only_jobs and names.ATTR_NAME not in (attributes or {}):
            return answer
        added: Mapping[str, AnyValue] = cast("Any", answer).attributes
        given = attributes or {}
        if answer.decision is not Decision.DROP and given.keys() <= added.keys():
            return answer
        decision = Decision.RECORD_ONLY if answer.decision is Decision.DROP else answer.decision
        return SamplingResult(decision, {**given, **added}, answer.trace_state)

    def get_description(self) -> str:
        """Returns a description that contains that of the app's sampler."""
        return f"RecordingSampler{{{self._app_sampler.get_description()}}}"


def tell_of_sampler(span: ReadableSpan) -> None:
    """Warns once if the provider of an app-opened job span can drop others: the SDK shows those to no processor."""
    # Without a global provider, `get_tracer_provider` can fill the empty slot.
    if isinstance(trace.ProxyTracerProvider().get_tracer(names.SCOPE), trace.ProxyTracer):
        return
    provider: Any = trace.get_tracer_provider()
    sampler = getattr(provider, "sampler", None)
    # Another provider has another resource; its sampler cannot be seen.
    if sampler is None or isinstance(sampler, RecordingSampler) or provider.resource is not span.resource:
        return
    description = str(sampler.get_description())
    if not description.removeprefix("ParentBased{root:").startswith(_KEEPS_ALL):
        message = (
            "the app's sampler %s can drop job spans that the app opens itself, and dropped ones are not measured; to"
            " measure all of them, wrap it: TracerProvider(sampler=JobSpanProcessor.sampler(…))"
        )
        _once.warning("sampler", message, description)
