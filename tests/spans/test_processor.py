"""Spans that the app opens itself."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, AlwaysRecordSampler
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AnyValue

from otel_job_measure.errors import UsageError
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.points.run_ids import run_id_of_span
from otel_job_measure.spans.rules import SpanRule
from tests.spans.support import T0, Anything, App, Bench

JOB = {"scheduling.job.name": "nightly"}


@pytest.fixture
def measured(app: App) -> Bench:
    """A recorder of the app's own spans."""
    bench = Bench(error_message=True)
    app.provider.add_span_processor(bench.processor())
    return bench


def test_a_span_with_a_jobs_name_is_a_run(app: App, measured: Bench) -> None:
    """With the span's own times, its id as the uuid, and the tags of its resource."""
    span = app.tracer.start_span("anything", attributes=JOB, start_time=T0)
    assert measured.journal.only.status is None
    span.end(T0 + 1_500_000_000)
    story, context = measured.journal.only, span.get_span_context()
    assert story.start is not None
    assert story.row is not None
    assert (story.start.time_ns, story.row.time_ns) == (T0, T0 + 1_500_000_000)
    assert story.start.tags == {"job": "nightly", "project": "billing"}
    assert story.uuid == run_id_of_span(context.span_id)
    assert len(story.uuid) == 12
    assert story.facts == {
        "uuid": story.uuid,
        "success": 1.0,
        "duration": 1.5,
        "host": "test-host",
        "trace_id": format(context.trace_id, "032x"),
        "span_id": format(context.span_id, "016x"),
    }


def test_a_span_of_the_apps_own_says_what_its_rows_say(app: App) -> None:
    """So that a collector can write the same rows, also where the app has said something else."""
    bench = Bench(datacenter="fra", stage="production")
    app.provider.add_span_processor(bench.processor())
    own: dict[str, str | int] = {**JOB, "own": 1, "scheduling.job.stage": "test", "scheduling.job.host": "elsewhere"}
    with app.tracer.start_as_current_span("x", attributes=own):
        pass
    assert app.exported["x"].attributes == {
        "own": 1,
        "scheduling.job.name": "nightly",
        "scheduling.job.run_id": bench.journal.only.uuid,
        "scheduling.job.datacenter": "fra",
        "scheduling.job.project": "billing",
        "scheduling.job.stage": "production",
        "scheduling.job.host": "test-host",
    }


def test_a_tag_that_its_rows_do_not_have_is_empty_on_a_span_of_the_apps_own(app: App) -> None:
    """Since an attribute that the app has set can't be taken away."""
    bench = Bench()
    app.provider.add_span_processor(bench.processor())
    with app.tracer.start_as_current_span("x", attributes={**JOB, "scheduling.job.stage": "test"}):
        pass
    [start, *_] = bench.journal.points
    assert "stage" not in start.tags
    assert (app.exported["x"].attributes or {})["scheduling.job.stage"] == ""


@pytest.mark.parametrize(("given", "used"), [("run-7", True), ("", False), (7, False)])
def test_a_run_id_of_the_apps_own_is_the_uuid(app: App, measured: Bench, given: Anything, used: bool) -> None:  # noqa: FBT001
    """Where it is a string that says something."""
    with app.tracer.start_as_current_span("x", attributes={**JOB, "scheduling.job.run_id": given}) as span:
        pass
    assert measured.journal.only.uuid == (given if used else run_id_of_span(span.get_span_context().span_id))


@pytest.mark.parametrize("name", [7, "", ["nightly"]])
def test_a_name_that_is_none_is_unnamed(
    app: App, measured: Bench, name: Anything, caplog: pytest.LogCaptureFixture
) -> None:
    """The job is on its way: it is measured, with one warning."""
    for _ in range(2):
        with app.tracer.start_as_current_span("x", attributes={"scheduling.job.name": name}):
            pass
    assert {run.job for run in measured.journal.runs} == {"unnamed"}
    assert len(caplog.records) == 1


def test_a_name_that_comes_after_the_start_is_too_late(app: App, measured: Bench) -> None:
    """A start point has to be written when the run starts."""
    with app.tracer.start_as_current_span("x") as span:
        span.set_attributes(JOB)
    assert not measured.journal.appended


def test_spans_are_measured_when_they_record() -> None:
    """A dropped one is not even told to processors; one that only records has no ids to look for in a backend."""
    for sampler, measured in ((ALWAYS_OFF, 0), (AlwaysRecordSampler(ALWAYS_OFF), 0), (ALWAYS_ON, 1)):
        app, bench = App(sampler=sampler), Bench()
        app.provider.add_span_processor(bench.processor())
        with app.tracer.start_as_current_span("x", attributes=JOB):
            pass
        assert len(bench.journal.runs) == measured


def test_a_span_that_only_records_has_no_ids_in_its_row() -> None:
    """The trace backend does not have them."""

    class Recording(AlwaysRecordSampler):
        def should_sample(self, *arguments: Anything, **more: Anything) -> Anything:
            answer = super().should_sample(*arguments, **more)
            return type(answer)(answer.decision, JOB)

    app, bench = App(sampler=Recording(ALWAYS_OFF)), Bench()
    app.provider.add_span_processor(bench.processor())
    with app.tracer.start_as_current_span("x", attributes=JOB):
        pass
    assert bench.journal.only.status == "end"
    assert "span_id" not in bench.journal.only.facts


@pytest.mark.parametrize(
    ("error", "reason", "error_type", "message"),
    [
        (ValueError("no"), "error", "ValueError", "no"),
        (TimeoutError("slow"), "timeout", "TimeoutError", "slow"),
        (ExceptionGroup("g", [OSError()]), "error", "ExceptionGroup", "g (1 sub-exception)"),
    ],
)
def test_what_ends_a_span_ends_the_run(
    app: App, measured: Bench, error: Exception, reason: str, error_type: str, message: str
) -> None:
    """As the SDK records it on the span."""
    with pytest.raises(type(error)), app.tracer.start_as_current_span("x", attributes=JOB):
        raise error
    story = measured.journal.only
    assert (story.reason, story.facts["error_type"]) == (reason, error_type)
    assert story.facts["error_message"] == message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (asyncio.CancelledError(), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (KeyboardInterrupt(), "signal"),
        (SystemExit(3), "exit"),
        (SystemExit(0), "end"),
        (SystemExit(), "end"),
    ],
)
def test_a_span_used_as_a_context_manager_knows_more(
    app: App, measured: Bench, error: BaseException, reason: str
) -> None:
    """The span itself records every BaseException."""
    with pytest.raises(type(error)), app.tracer.start_span("x", attributes=JOB):
        raise error
    assert measured.journal.only.reason == reason


def test_the_sdk_says_nothing_of_a_base_exception(app: App, measured: Bench) -> None:
    """`start_as_current_span` leaves the status UNSET, and so there is nothing that we could know."""
    with pytest.raises(KeyboardInterrupt), app.tracer.start_as_current_span("x", attributes=JOB):
        raise KeyboardInterrupt
    assert measured.journal.only.reason == "end"


def test_an_error_by_hand_is_about_what_it_says(app: App, measured: Bench) -> None:
    """Not about an exception that was recorded, and handled, before."""
    with app.tracer.start_as_current_span("x", attributes=JOB) as span:
        span.record_exception(TimeoutError("handled"))
        span.set_status(StatusCode.ERROR, "disk full")
    story = measured.journal.only
    assert story.reason == "error"
    assert "error_type" not in story.facts
    assert story.facts["error_message"] == "disk full"


def test_an_error_by_hand_may_be_about_a_recorded_exception(app: App, measured: Bench) -> None:
    """Where its description is the exception's text."""
    with app.tracer.start_as_current_span("x", attributes=JOB) as span:
        span.add_event("progress")
        span.record_exception(OSError("disk full"))
        span.add_event("given up")
        span.set_status(Status(StatusCode.ERROR, "disk full"))
    assert measured.journal.only.facts["error_type"] == "OSError"


def test_two_processors_measure_a_span_once(app: App, measured: Bench) -> None:
    """The first one registered has it."""
    other = Bench()
    app.provider.add_span_processor(measured.processor())
    app.provider.add_span_processor(other.processor())
    with app.tracer.start_as_current_span("x", attributes=JOB):
        pass
    assert measured.journal.only.status == "end"
    assert not other.journal.appended


def test_spans_with_one_id_are_told_apart(app: App, measured: Bench) -> None:
    """A job that seeds `random` makes the SDK repeat its ids; each span's end is its own."""
    spans: list[Any] = []
    for number in range(3):
        random.seed(7)
        spans.append(app.tracer.start_span("x", attributes={**JOB, "scheduling.job.run_id": f"run {number}"}))
    assert len({span.get_span_context().span_id for span in spans}) == 1
    for number, span in enumerate(spans):
        span.end()
        assert [run.status for run in measured.journal.runs] == ["end"] * (number + 1) + [None] * (2 - number)


def test_a_clock_that_stepped_back_gives_no_negative_duration(app: App, measured: Bench) -> None:
    """The span's times are the app's; a duration is never less than nothing."""
    app.tracer.start_span("x", attributes=JOB, start_time=T0).end(T0 - 5)
    assert measured.journal.only.facts["duration"] == 0.0


def finished(attributes: Mapping[str, AnyValue]) -> Outcome | None:
    """Reads a task's state as the rule of a queue's instrumentation does."""
    state = attributes.get("celery.state")
    return Outcome(reason="error", error_type="Retry") if state == "RETRY" else None


CELERY = SpanRule(
    scope="opentelemetry.instrumentation.celery",
    kind=SpanKind.CONSUMER,
    span_name=r"run/(?P<job>.+)",
    outcome=finished,
)


def test_spans_of_another_instrumentation_are_matched_by_a_rule(app: App) -> None:
    """On scope, kind and name; they are measured without a second span."""
    bench = Bench()
    app.provider.add_span_processor(bench.processor(rules=[CELERY]))
    celery = app.provider.get_tracer("opentelemetry.instrumentation.celery")
    other = app.provider.get_tracer("other")
    celery.start_span("apply_async/report", kind=SpanKind.PRODUCER).end()
    celery.start_span("run/report", kind=SpanKind.PRODUCER).end()
    celery.start_span("report", kind=SpanKind.CONSUMER).end()
    other.start_span("run/report", kind=SpanKind.CONSUMER).end()
    assert not bench.journal.appended
    with celery.start_as_current_span("run/report", kind=SpanKind.CONSUMER) as span:
        span.set_attribute("celery.state", "SUCCESS")
    assert (bench.journal.only.job, bench.journal.only.reason) == ("report", "end")


def test_a_rule_may_read_the_outcome_from_the_attributes_at_the_end(app: App) -> None:
    """Where an instrumentation leaves the status alone; else the status counts."""
    bench = Bench()
    app.provider.add_span_processor(bench.processor(rules=[CELERY]))
    celery = app.provider.get_tracer("opentelemetry.instrumentation.celery")
    with celery.start_as_current_span("run/a", kind=SpanKind.CONSUMER) as span:
        span.set_attribute("celery.state", "RETRY")
    with celery.start_as_current_span("run/b", kind=SpanKind.CONSUMER) as span:
        span.set_status(StatusCode.ERROR)
    assert [(run.job, run.reason) for run in bench.journal.runs] == [("a", "error"), ("b", "error")]
    assert bench.journal.runs[0].facts["error_type"] == "Retry"


def test_a_rule_that_raises_leaves_it_to_the_status(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """A run that has started always ends."""

    def broken(attributes: Mapping[str, AnyValue]) -> Outcome | None:
        raise KeyError(attributes["missing"])

    bench = Bench()
    rule = SpanRule(scope="jobs", name_attribute="job", outcome=broken)
    app.provider.add_span_processor(bench.processor(rules=[rule]))
    tracer = app.provider.get_tracer("jobs")
    tracer.start_span("x").end()
    tracer.start_span("x", attributes={"job": "nightly"}).end()
    assert (bench.journal.only.job, bench.journal.only.reason) == ("nightly", "end")
    assert "finding out how a run ended failed" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "(?P<job>...)"),
        ({"span_name": "run/(?P<job>.+)", "name_attribute": "job"}, "not both"),
        ({"span_name": "("}, "not a regular expression"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(arguments: dict[str, Any], said: str) -> None:
    """At once, with what it lacks."""
    with pytest.raises(UsageError) as caught:
        SpanRule(scope="x", **arguments)
    assert said in str(caught.value)
