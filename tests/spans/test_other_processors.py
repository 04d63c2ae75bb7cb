"""Other processors on the app's provider, and ours among them."""

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, ReadableSpan, Span, SpanProcessor

from tests.spans.support import Anything, App, Bench, Seen


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
    processor: Anything = bench.processor()
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
