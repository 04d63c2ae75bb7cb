"""The sampler of our own tracer."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import AnyValue, Attributes


class RecordingSampler(Sampler):
    """Records every run, and samples exactly those that the app's own sampler does.

    Args:
        app_sampler: The app's sampler, which decides what the trace backend and the span's children get.
    """

    def __init__(self, app_sampler: Sampler) -> None:
        self._app_sampler = app_sampler

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
        """Asks the app's sampler, and turns its DROP into RECORD_ONLY.

        Args:
            parent_context: As the SDK has it, like what follows.
            trace_id: The trace's id.
            name: The span's name.
            kind: The span's kind.
            attributes: The span's attributes; many samplers leave them out of their answer.
            links: The span's links.
            trace_state: The parent's trace state, where the SDK gives it.

        Returns:
            The app's answer, recording, with the span's attributes.
        """
        # The SDK gives no trace state, and samplers of the app's own making may not know the argument.
        ask = self._app_sampler.should_sample
        if trace_state is None:
            answer = ask(parent_context, trace_id, name, kind, attributes, links)
        else:
            answer = ask(parent_context, trace_id, name, kind, attributes, links, trace_state)
        added: Mapping[str, AnyValue] = cast("Any", answer).attributes
        given = attributes or {}
        if answer.decision is not Decision.DROP and given.keys() <= added.keys():
            return answer
        decision = Decision.RECORD_ONLY if answer.decision is Decision.DROP else answer.decision
        return SamplingResult(decision, {**given, **added}, answer.trace_state)

    def get_description(self) -> str:
        """Returns the app's sampler's description, and that its runs are always recorded."""
        return f"RecordingSampler{{{self._app_sampler.get_description()}}}"
