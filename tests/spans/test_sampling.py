"""A run is measured whatever the sampler says, and the backend gets what was sampled."""

from collections.abc import Sequence

import pytest
from opentelemetry import context, propagate, trace
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_ON,
    AlwaysRecordSampler,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.util.types import Attributes

from tests.spans.support import Anything, App, Bench, Seen, context_of


class Bare(Sampler):
    """A sampler that knows only the oldest signature, and answers without attributes."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def should_sample(  # type: ignore[override]
        self,
        parent_context: context.Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
    ) -> SamplingResult:
        return SamplingResult(self.decision, None, TraceState([("vendor", "kept")]))

    def get_description(self) -> str:
        return "Bare"


class Adding(Bare):
    """A sampler that adds an attribute, and leaves out those it was given."""

    def should_sample(self, *arguments: Anything, **more: Anything) -> SamplingResult:
        return SamplingResult(self.decision, {"sampling.rule": "all"})


SAMPLERS = {
    "on": (ALWAYS_ON, True),
    "off": (ALWAYS_OFF, False),
    "default": (DEFAULT_ON, True),
    "always record": (AlwaysRecordSampler(ALWAYS_OFF), False),
    "ratio 0": (TraceIdRatioBased(0), False),
    "parent, ratio 0": (ParentBased(TraceIdRatioBased(0)), False),
    "no attributes": (Bare(Decision.RECORD_AND_SAMPLE), True),
    "dropped without attributes": (Bare(Decision.DROP), False),
    "record only": (Bare(Decision.RECORD_ONLY), False),
    "adding": (Adding(Decision.RECORD_AND_SAMPLE), True),
}


@pytest.mark.parametrize(("sampler", "sampled"), SAMPLERS.values(), ids=SAMPLERS.keys())
def test_a_run_is_measured_whatever_the_sampler_says(sampler: Sampler, sampled: bool) -> None:  # noqa: FBT001
    """And its backend gets exactly what it sampled, the job's span as every other."""
    seen = Seen()
    app = App(seen, sampler=sampler)
    bench = Bench(app.provider)
    with bench.run(), app.tracer.start_as_current_span("inside"):
        pass
    story = bench.journal.only
    assert story.status == "end"
    assert set(app.exported) == ({"run nightly", "inside"} if sampled else set())
    assert ("trace_id" in story.facts, "span_id" in story.facts) == (sampled, sampled)
    (ours,) = [span for span in seen.ended if span.name == "run nightly"]
    assert ours.attributes is not None
    assert ours.attributes["scheduling.job.name"] == "nightly"
    assert ours.attributes["scheduling.job.run_id"] == story.uuid
    assert not bench.failures


def test_what_a_sampler_adds_and_says_is_kept() -> None:
    """Its attributes, and the trace state it decides on."""
    for decision in (Decision.RECORD_AND_SAMPLE, Decision.DROP):
        seen = Seen()
        with Bench(App(seen, sampler=Adding(decision)).provider).run():
            pass
        assert dict(seen.ended[0].attributes or {}).keys() >= {"sampling.rule", "scheduling.job.name"}
        seen = Seen()
        with Bench(App(seen, sampler=Bare(decision)).provider).run():
            pass
        assert context_of(seen.ended[0]).trace_state.get("vendor") == "kept"


@pytest.mark.parametrize("sampled", [True, False])
def test_a_remote_parent_decides_for_the_trace_and_not_for_the_run(sampled: bool) -> None:  # noqa: FBT001
    """A job of an unsampled request is measured; the request's trace gets nothing, and sends nothing on."""
    app = App()
    bench = Bench(app.provider)
    parent = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(int(sampled)))
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(parent)))
    headers: dict[str, str] = {}
    with bench.run():
        propagate.inject(headers)
        with app.tracer.start_as_current_span("inside"):
            pass
    context.detach(token)
    assert bench.journal.only.status == "end"
    assert ("trace_id" in bench.journal.only.facts) is sampled
    assert set(app.exported) == ({"run nightly", "inside"} if sampled else set())
    assert headers["traceparent"].split("-")[1] == format(1, "032x")
    assert headers["traceparent"].endswith("1" if sampled else "0")


def test_a_sampler_that_raises_costs_only_the_span() -> None:
    """The run is recorded without one."""

    class Broken(Bare):
        def should_sample(self, *arguments: Anything, **more: Anything) -> SamplingResult:
            raise RuntimeError("a bug of another's")

    bench = Bench(App(sampler=Broken(Decision.DROP)).provider)
    with bench.run():
        assert trace.get_current_span() is trace.INVALID_SPAN
    assert bench.journal.only.status == "end"
    assert bench.failures == {"starting a span": 1}
