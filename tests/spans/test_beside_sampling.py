"""An app that samples, and wants all its job spans measured."""

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

from otel_job_measure import JobSpanProcessor
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
