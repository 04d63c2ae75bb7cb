"""What the SDK may do to the span of a run, and how the run is recorded all the same."""

import logging
import random
from collections.abc import Sequence

import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, ReadableSpan, Span, SpanLimits, SpanProcessor
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
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState
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


def test_children_in_the_job_are_children_of_its_span(app: App, bench: Bench) -> None:
    """And the job's span is a child of what was current, with the app's baggage still there."""
    token = context.attach(baggage.set_baggage("tenant", "7"))
    with app.tracer.start_as_current_span("request") as request, bench.run():
        assert baggage.get_baggage("tenant") == "7"
        with app.tracer.start_as_current_span("inside"):
            pass
    context.detach(token)
    ours = app.exported["run nightly"]
    assert ours.parent == request.get_span_context()
    assert app.exported["inside"].parent == ours.context


def test_nested_jobs_are_nested_spans(app: App, bench: Bench) -> None:
    """Each with its own run."""
    with bench.run("outer") as outer, bench.run("inner") as inner:
        assert outer.uuid != inner.uuid
    assert app.exported["run inner"].parent == app.exported["run outer"].context
    assert [(run.job, run.uuid, run.status) for run in bench.journal.runs] == [
        ("outer", outer.uuid, "end"),
        ("inner", inner.uuid, "end"),
    ]


def test_the_span_says_what_the_run_says(app: App) -> None:
    """Name, kind, scope, attributes and the very times of the rows."""
    bench = Bench(app.provider, datacenter="fra", stage="production", error_message=True)
    with pytest.raises(ValueError, match="no"), bench.run():
        raise ValueError("no")
    span, story = app.exported["run nightly"], bench.journal.only
    assert span.kind is SpanKind.INTERNAL
    assert span.instrumentation_scope is not None
    assert (span.instrumentation_scope.name, span.instrumentation_scope.version) == ("otel_job_measure", "1.2.3")
    assert dict(span.attributes or {}) == {
        "scheduling.job.name": "nightly",
        "scheduling.job.run_id": story.uuid,
        "scheduling.job.datacenter": "fra",
        "scheduling.job.project": "billing",
        "scheduling.job.stage": "production",
        "scheduling.job.status": "failed",
        "scheduling.job.reason": "error",
        "error.type": "ValueError",
    }
    assert story.start is not None
    assert story.row is not None
    assert (span.start_time, span.end_time) == (story.start.time_ns, story.row.time_ns)
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError: no")
    (event,) = span.events
    assert event.name == "exception"
    assert event.timestamp == span.end_time
    assert event.attributes is not None
    assert event.attributes["exception.message"] == "no"
    assert story.start.tags == {"job": "nightly", "datacenter": "fra", "project": "billing", "stage": "production"}
    assert story.facts["error_message"] == "no"


def test_a_queue_may_give_the_kind_of_its_spans(app: App, bench: Bench) -> None:
    """A job that came from a queue is a consumer of it."""
    with bench.opener.open("nightly", kind=SpanKind.CONSUMER):
        pass
    assert app.exported["run nightly"].kind is SpanKind.CONSUMER


def test_attribute_limits_cut_the_span_and_not_the_run() -> None:
    """The run carries its own name and id."""
    app = App(span_limits=SpanLimits(max_span_attributes=1, max_span_attribute_length=4))
    bench = Bench(app.provider)
    app.provider.add_span_processor(bench.processor())
    with bench.run() as run:
        pass
    assert dict(app.exported["run nightly"].attributes or {}) == {"scheduling.job.status": "end"}
    assert (bench.journal.only.job, bench.journal.only.uuid, bench.journal.only.status) == ("nightly", run.uuid, "end")


def test_many_attributes_evict_the_spans_name_and_not_the_runs(app: App, bench: Bench) -> None:
    """130 attributes set in the job push out the oldest."""
    with bench.run() as run:
        trace.get_current_span().set_attributes({f"a{number}": number for number in range(130)})
    assert "scheduling.job.name" not in (app.exported["run nightly"].attributes or {})
    assert (bench.journal.only.job, bench.journal.only.uuid) == ("nightly", run.uuid)


def test_attributes_overwritten_in_the_job_change_nothing(app: App, bench: Bench) -> None:
    """Nor does the span's name."""
    with bench.run() as run:
        span = trace.get_current_span()
        span.set_attributes({"scheduling.job.name": "x", "scheduling.job.run_id": "y", "scheduling.job.project": "z"})
        span.update_name("renamed")
    assert "renamed" in app.exported
    story = bench.journal.only
    assert (story.job, story.uuid, story.status) == ("nightly", run.uuid, "end")
    assert story.row is not None
    assert story.row.tags["project"] == "billing"


class Raising(SpanProcessor):
    """Another's processor, with a bug."""

    def __init__(self, where: str) -> None:
        self.where = where

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        if self.where == "start":
            raise RuntimeError("a bug of another's")

    def on_end(self, span: ReadableSpan) -> None:
        if self.where == "end":
            raise RuntimeError("a bug of another's")


@pytest.mark.parametrize("where", ["start", "end"])
@pytest.mark.parametrize("before_us", [True, False])
def test_anothers_processor_that_raises_costs_no_run(where: str, before_us: bool) -> None:  # noqa: FBT001
    """Its exception comes out of our call, and those after it aren't called."""
    app = App()
    if before_us:
        app.provider.add_span_processor(Raising(where))
    bench = Bench(app.provider)
    app.provider.add_span_processor(bench.processor())
    if not before_us:
        app.provider.add_span_processor(Raising(where))
    with bench.run():
        pass
    assert bench.journal.only.status == "end"
    assert bench.failures == {"starting a span" if where == "start" else "ending a span": 1}


def test_a_span_whose_start_another_made_fail_is_used_all_the_same(app: App, bench: Bench) -> None:
    """Where our processor came first it has seen the span, so that the app's exporter gets the job."""
    app.provider.add_span_processor(Raising("start"))
    with bench.run(), trace.use_span(trace.get_current_span()):
        assert trace.get_current_span().is_recording()
    assert "run nightly" in app.exported
    assert bench.journal.only.facts["trace_id"] == format(app.context("run nightly").trace_id, "032x")


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


def test_a_bug_of_ours_in_the_processor_is_held_back(app: App) -> None:
    """The app's spans start and end, and later processors see them."""
    bench = Bench(app.provider)

    def broken() -> Anything:
        raise RuntimeError("a bug of ours")

    processor = type(bench.processor())(broken)
    app.provider.add_span_processor(processor)
    seen = Seen()
    app.provider.add_span_processor(seen)
    with app.tracer.start_as_current_span("app's", attributes={"scheduling.job.name": "nightly"}):
        pass
    assert list(app.exported) == ["app's"]
    assert len(seen.ended) == 1
    assert not bench.journal.appended


def test_what_is_no_span_is_held_back_too(bench: Bench) -> None:
    """A provider of another make may hand us anything."""
    processor: Any = bench.processor()
    processor.on_start(object())
    processor.on_end(object())
    assert not bench.journal.appended


def test_a_concurrent_processor_measures_each_run_once() -> None:
    """It calls ours on threads of its own, without the context, and two of them at once."""
    app = App(active_span_processor=ConcurrentMultiSpanProcessor(num_threads=3))
    bench = Bench(app.provider)
    for _ in range(2):
        app.provider.add_span_processor(bench.processor())
    for _ in range(50):
        with bench.run():
            pass
        with app.tracer.start_as_current_span("app's", attributes={"scheduling.job.name": "app's"}):
            pass
    assert len(bench.journal.runs) == 100
    assert {run.status for run in bench.journal.runs} == {"end"}


def test_explicit_and_implicit_processors_measure_a_run_once(app: App, bench: Bench) -> None:
    """However often ours is registered."""
    for _ in range(2):
        app.provider.add_span_processor(bench.processor())
    with bench.run(), bench.run("inner"):
        pass
    assert [(run.job, run.status) for run in bench.journal.runs] == [("nightly", "end"), ("inner", "end")]


def test_our_span_ended_by_hand_does_not_end_the_run(app: App, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The run goes on until its door closes, and the SDK has nothing to complain of."""
    with bench.run():
        trace.get_current_span().end()
        assert bench.journal.only.status is None
    assert bench.journal.only.status == "end"
    assert not caplog.records
    assert "run nightly" in app.exported


@pytest.mark.parametrize("description", ["disk full", None])
def test_an_error_set_by_hand_is_a_failure(app: App, description: str | None) -> None:
    """The description is the message; the span keeps what it was told."""
    bench = Bench(app.provider, error_message=True)
    with bench.run():
        trace.get_current_span().set_attribute("error.type", "DiskFull")
        trace.get_current_span().set_status(StatusCode.ERROR, description)
    story = bench.journal.only
    assert story.reason == "error"
    assert story.facts["error_type"] == "DiskFull"
    assert story.facts.get("error_message") == description
    span = app.exported["run nightly"]
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, description)
    assert (span.attributes or {})["scheduling.job.status"] == "failed"


def test_an_exception_tells_more_than_a_status_set_before(app: App, bench: Bench) -> None:
    """A job that sets ERROR and then raises has failed by what it raised."""
    with pytest.raises(TimeoutError), bench.run():  # noqa: PT012 - it is about both
        trace.get_current_span().set_status(StatusCode.ERROR, "something")
        raise TimeoutError
    assert bench.journal.only.reason == "timeout"


def test_a_status_of_ok_set_by_hand_does_not_hide_a_failure(app: App, bench: Bench) -> None:
    """The SDK keeps OK for ever; the run has failed."""
    with pytest.raises(ValueError, match="x"), bench.run():  # noqa: PT012 - it is about both
        trace.get_current_span().set_status(StatusCode.OK)
        raise ValueError("x")
    assert bench.journal.only.reason == "error"
    assert app.exported["run nightly"].status.status_code is StatusCode.OK


def test_names_and_messages_of_any_kind_can_be_exported(app: App) -> None:
    """A lone surrogate, as file names have them, would cost the app a whole batch of spans in its exporter."""
    bench = Bench(app.provider, stage="\udcff", error_message=True)
    name = "job \udcff \N{SNOWMAN}"
    with pytest.raises(OSError, match="no file"), bench.run(name):
        raise OSError("no file \udcff") from ValueError("\udcfe")
    (span,) = app.exported.values()
    assert "\N{SNOWMAN}" in span.name
    span.to_json().encode()
    repr([span.name, span.attributes, span.status.description, [event.attributes for event in span.events]]).encode()
    (event,) = span.events
    for text in (span.name, span.status.description, *dict(span.attributes or {}).values()):
        str(text).encode()
    for text in dict(event.attributes or {}).values():
        str(text).encode()


def test_a_ring_of_exceptions_is_walked_but_once(app: App, bench: Bench) -> None:
    """Python allows one to be its own cause."""
    error, cause = ValueError("x"), ValueError("y")
    error.__cause__, cause.__cause__ = cause, error
    with pytest.raises(ValueError, match="x"), bench.run():
        raise error
    assert len(app.exported["run nightly"].events) == 1


def test_seeded_randomness_that_repeats_span_ids_confuses_no_runs(app: App, bench: Bench) -> None:
    """A job that seeds `random` makes the SDK repeat its ids; runs are told apart all the same."""
    doors = [bench.run(f"job {number}") for number in range(3)]
    with app.tracer.start_as_current_span("request"):
        for door in doors:
            random.seed(42)
            door.__enter__()
        for door in reversed(doors):
            door.__exit__(None, None, None)
    assert len({context_of(span).span_id for name, span in app.exported.items() if name != "request"}) == 1
    assert [(run.job, run.status) for run in bench.journal.runs] == [(f"job {n}", "end") for n in range(3)]
    assert len({run.uuid for run in bench.journal.runs}) == 3


def test_a_span_of_no_job_is_none(app: App, bench: Bench) -> None:
    """Neither processor touches it."""
    app.provider.add_span_processor(bench.processor())
    with app.tracer.start_as_current_span("request", attributes={"http.route": "/"}):
        pass
    assert not bench.journal.appended
    assert dict(app.exported["request"].attributes or {}) == {"http.route": "/"}


def test_turned_off_there_is_no_span_and_no_point(app: App) -> None:
    """`OTEL_JOB_MEASURE_DISABLED` turns everything off; the job runs, with a uuid of its own."""
    bench = Bench(app.provider, disabled=True)
    app.provider.add_span_processor(bench.processor())
    with bench.run() as run:
        assert len(run.uuid) == 12
        assert run.started.year > 2000
    with app.tracer.start_as_current_span("app's", attributes={"scheduling.job.name": "app's"}):
        pass
    assert list(app.exported) == ["app's"]
    assert not bench.journal.appended


def test_a_run_says_in_the_debug_log_when_it_starts_and_ends(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """With its name and uuid; at INFO there is nothing to say while all is well."""
    caplog.set_level(logging.DEBUG, "otel_job_measure")
    with bench.run() as run:
        pass
    started, ended = [record for record in caplog.records if record.name.startswith("otel_job_measure.spans")]
    for record in (started, ended):
        assert record.levelno == logging.DEBUG
        assert "'nightly'" in record.getMessage()
        assert run.uuid in record.getMessage()
    assert "started" in started.getMessage()
    assert "ended" in ended.getMessage()
