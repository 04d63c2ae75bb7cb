"""What the SDK may do to the span of a run, and how the run is recorded all the same."""

import logging
import random

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import SpanKind, StatusCode

from otel_job_measure.spans.span_options import SpanOptions
from tests.spans.support import App, Bench, context_of


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
        "scheduling.job.host": "test-host",
        "scheduling.job.duration": story.facts["duration"],
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
    run = bench.opener.open("nightly", span=SpanOptions(kind=SpanKind.CONSUMER))
    run.begin()
    run.finish()
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


@pytest.mark.parametrize(("message", "cause"), [("no file \udcff", "x"), ("no file", "\udcfe")])
def test_names_and_messages_of_any_kind_can_be_exported(app: App, message: str, cause: str) -> None:
    """A lone surrogate, as file names have them, would cost the app a whole batch of spans in its exporter."""
    bench = Bench(app.provider, stage="\udcff", error_message=True)
    name = "job \udcff \N{SNOWMAN}"
    with pytest.raises(OSError, match="no file"), bench.run(name):
        raise OSError(message) from ValueError(cause)
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
