"""An app that samples, and wants all its job spans measured."""

import logging

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

from otel_job_measure import JobSpanProcessor
from otel_job_measure.spans import sampler as our_sampler
from tests.spans.support import App, Bench


@pytest.mark.parametrize(
    ("sampler", "exports"), [(ALWAYS_OFF, False), (ParentBased(TraceIdRatioBased(0.0)), False), (ALWAYS_ON, True)]
)
def test_with_our_sampler_all_job_spans_are_measured_and_exported_as_sampled(
    sampler: Sampler, *, exports: bool
) -> None:
    """Spans without a job's name, and the children of job spans, are the app's sampler's."""
    app = App(sampler=JobSpanProcessor.sampler(sampler))
    bench = Bench(app.provider)
    app.provider.add_span_processor(bench.processor())
    name = {"scheduling.job.name": "nightly"}
    start = app.tracer.start_as_current_span
    with start("nightly", attributes=name), start("child") as child:
        assert child.is_recording() is exports
    with app.tracer.start_as_current_span("other") as other:
        assert other.is_recording() is exports
    assert (bench.journal.only.job, bench.journal.only.status) == ("nightly", "end")
    assert ("trace_id" in bench.journal.only.facts) is exports
    assert set(app.exported) == ({"nightly", "child", "other"} if exports else set())


def test_package_opened_runs_are_as_ever_under_it() -> None:
    """It stands below the wrapper of our own tracer."""
    app = App(sampler=JobSpanProcessor.sampler(ALWAYS_OFF))
    bench = Bench(app.provider)
    with bench.run():
        pass
    assert bench.journal.only.status == "end"
    assert not app.exported
    assert "nightly" not in JobSpanProcessor.sampler(ALWAYS_OFF).get_description()


def test_a_tenth_of_spans_sampled_is_all_runs_measured() -> None:
    """300 of 300."""
    app = App(sampler=JobSpanProcessor.sampler(TraceIdRatioBased(0.1)))
    bench = Bench(app.provider)
    app.provider.add_span_processor(bench.processor())
    for _ in range(300):
        app.tracer.start_span("nightly", attributes={"scheduling.job.name": "nightly"}).end()
    assert len(bench.journal.runs) == 300
    assert 0 < len(app.exporter.get_finished_spans()) < 150


@pytest.mark.parametrize(
    ("sampler", "warns"),
    [
        (TraceIdRatioBased(0.9999), True),
        (ParentBased(TraceIdRatioBased(0.9999)), True),
        (ParentBased(ALWAYS_ON), False),
        (TraceIdRatioBased(1.0), False),
        (JobSpanProcessor.sampler(TraceIdRatioBased(0.9999)), False),
    ],
)
def test_a_sampler_that_can_drop_job_spans_is_told_once(
    sampler: Sampler, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *, warns: bool
) -> None:
    """With the first job span that the app opens: no processor ever sees a dropped one."""
    monkeypatch.setattr(our_sampler._once, "_last_ns", dict[str, int]())
    app = App(sampler=sampler)
    trace.set_tracer_provider(app.provider)
    bench = Bench(app.provider)
    app.provider.add_span_processor(bench.processor())
    with caplog.at_level(logging.WARNING):
        while len(bench.journal.runs) < 3:
            app.tracer.start_span("nightly", attributes={"scheduling.job.name": "nightly"}).end()
    assert caplog.text.count("JobSpanProcessor.sampler(") == warns


def test_the_sampler_of_another_provider_is_not_guessed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one if there is no global provider."""
    monkeypatch.setattr(our_sampler._once, "_last_ns", dict[str, int]())
    for app in (App(), App(sampler=TraceIdRatioBased(0.9999))):
        bench = Bench(app.provider)
        app.provider.add_span_processor(bench.processor())
        with caplog.at_level(logging.WARNING):
            while not bench.journal.runs:
                app.tracer.start_span("nightly", attributes={"scheduling.job.name": "nightly"}).end()
        trace.set_tracer_provider(app.provider)
    assert "sampler" not in caplog.text
