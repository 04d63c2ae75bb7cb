"""Providers that are not the SDK's, or do less than they could."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, Tracer

from tests.spans.support import Anything, App, Bench, Seen, context_of


class Foreign(trace.TracerProvider):
    """A provider that isn't the SDK's class and hides its samplers, but records with the SDK, as some vendors' do."""

    def __init__(self, app: App) -> None:
        self._app = app

    def get_tracer(self, *arguments: Anything, **more: Anything) -> Tracer:
        inner = self._app.provider.get_tracer(*arguments, **more)
        start = inner.start_span

        class ForeignTracer(Tracer):
            def start_span(self, *arguments: Anything, **more: Anything) -> trace.Span:
                return start(*arguments, **more)

            def start_as_current_span(self, *arguments: Anything, **more: Anything) -> Anything:
                raise NotImplementedError

        return ForeignTracer()


def test_a_provider_of_another_kind_records_all_the_same(app: App) -> None:
    """What counts is whether its spans record, not what class it is."""
    bench = Bench(Foreign(app))
    with bench.run():
        pass
    assert list(app.exported) == ["run nightly"]
    assert app.exported["run nightly"].attributes is not None
    assert app.exported["run nightly"].attributes["scheduling.job.status"] == "end"
    assert bench.journal.only.facts["span_id"] == format(app.context("run nightly").span_id, "016x")
    assert not bench.failures


def test_a_provider_that_loses_our_context_measures_a_run_once() -> None:
    """Then our processor sees a span with a job's name, and nothing that says whose run it is."""
    app = App()

    class Losing(Foreign):
        def get_tracer(self, *arguments: Anything, **more: Anything) -> Tracer:
            tracer: Any = super().get_tracer(*arguments, **more)
            start = tracer.start_span

            def start_span(name: str, context: Context, **how: Anything) -> trace.Span:
                del context
                return cast("trace.Span", start(name, **how))

            tracer.start_span = start_span
            return cast("Tracer", tracer)

    bench = Bench(Losing(app))
    app.provider.add_span_processor(bench.processor())
    with bench.run() as run:
        pass
    assert list(app.exported) == ["run nightly"]
    assert (bench.journal.only.uuid, bench.journal.only.status) == (run.uuid, "end")


def test_a_provider_of_another_kind_may_drop_the_span() -> None:
    """Its sampler cannot be wrapped; the run is recorded without a span, and children follow the decision."""
    app = App(sampler=ALWAYS_OFF)
    bench = Bench(Foreign(app))
    with bench.run():
        current = trace.get_current_span()
        assert isinstance(current, NonRecordingSpan)
        assert current.get_span_context().is_valid
    assert bench.journal.only.status == "end"
    assert "trace_id" not in bench.journal.only.facts


def test_the_sdk_disabled_leaves_a_run_without_a_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the app's provider, and without one."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    app = App()
    for bench in (Bench(app.provider), Bench()):
        with bench.run():
            assert trace.get_current_span() is trace.INVALID_SPAN
        assert bench.journal.only.status == "end"
        assert not bench.failures
    assert not app.exported


def test_a_disabled_scope_leaves_a_run_without_a_span() -> None:
    """The SDK gives out the parent itself then, so that it must neither be ended nor taken for a job's."""

    def ours_is_off(scope: Anything) -> Anything:
        return SimpleNamespace(is_enabled=scope.name != "otel_job_measure")

    app = App(_tracer_configurator=ours_is_off)  # there is no public way yet to disable a scope
    bench = Bench(app.provider)
    app.provider.add_span_processor(bench.processor())
    with app.tracer.start_as_current_span("request", attributes={"scheduling.job.name": "app's"}) as request:
        with bench.run("outer"), bench.run("inner"):
            assert trace.get_current_span() is request
        assert request.is_recording()
    assert [(run.job, run.status) for run in bench.journal.runs] == [
        ("app's", "end"),
        ("outer", "end"),
        ("inner", "end"),
    ]
    assert list(app.exported) == ["request"]
    assert not bench.failures


class Refusing(trace.TracerProvider):
    """A provider whose methods raise."""

    def get_tracer(self, *arguments: Anything, **more: Anything) -> Tracer:
        raise RuntimeError("no tracer today")


def test_a_provider_that_raises_costs_only_the_span() -> None:
    """The run is recorded, the trouble is counted."""
    bench = Bench(Refusing())
    with bench.run():
        pass
    assert bench.journal.only.status == "end"
    assert bench.failures == {"binding to a tracer provider": 2}


def test_a_provider_that_takes_no_processor_still_measures() -> None:
    """The door records the run itself."""

    class Closed(TracerProvider):
        def add_span_processor(self, span_processor: SpanProcessor) -> None:
            raise RuntimeError("closed")

    bench = Bench(Closed(shutdown_on_exit=False))
    with bench.run():
        pass
    assert bench.journal.only.status == "end"
    assert bench.failures == {"binding to a tracer provider": 1}


def test_a_run_that_begins_inside_the_binding_has_no_span() -> None:
    """A signal handler may begin one while the SDK holds its lock: to ask again would hang."""

    class Interrupted(TracerProvider):
        asked = 0

        def get_tracer(self, *arguments: Anything, **more: Anything) -> Tracer:
            self.asked += 1
            if self.asked == 1:
                with bench.run("handler"):
                    pass
            return super().get_tracer(*arguments, **more)

    provider = Interrupted(shutdown_on_exit=False)
    bench = Bench()
    with bench.run("before"):
        pass
    trace.set_tracer_provider(provider)
    asked_when_done: list[int] = []
    with bench.run("job"):
        asked_when_done.append(provider.asked)
    with bench.run("after"):
        pass
    assert provider.asked == asked_when_done[0] == 2
    assert {run.job: (run.status, "span_id" in run.facts) for run in bench.journal.runs} == {
        "before": ("end", False),
        "handler": ("end", False),
        "job": ("end", True),
        "after": ("end", True),
    }


@pytest.mark.parametrize("app", [App(), App(sampler=ALWAYS_ON)])
def test_a_shut_down_provider_still_measures(app: App) -> None:
    """Spans start and end after `shutdown`, and jobs run after it."""
    seen = Seen()
    app.provider.add_span_processor(seen)
    bench = Bench(app.provider)
    app.provider.shutdown()
    with bench.run():
        pass
    assert bench.journal.only.status == "end"
    assert len(seen.ended) == 1


def test_our_processor_never_holds_up_the_apps_exporters(app: App) -> None:
    """`force_flush` returns at once and `shutdown` does nothing: those after us get all of the time."""
    bench = Bench(app.provider)
    own = bench.processor()
    assert own.force_flush(0)
    own.shutdown()
    app.provider.add_span_processor(own)
    app.provider.shutdown()
    with app.tracer.start_as_current_span("x", attributes={"scheduling.job.name": "app's"}):
        pass
    assert bench.journal.only.status == "end"


def test_a_processor_that_starts_spans_of_its_own_does_not_take_our_place() -> None:
    """It is given our context; only a span of our scope is the run's."""

    class Nosy(SpanProcessor):
        tracer: Tracer

        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            if span.name.startswith("run "):
                self.tracer.start_span("nosy", context=parent_context).end()

    nosy = Nosy()
    app = App(nosy)
    nosy.tracer = app.tracer
    bench = Bench(app.provider)
    with bench.run():
        pass
    with bench.run("second"):
        pass
    ran = [span for span in app.exporter.get_finished_spans() if span.name == "run nightly"]
    assert bench.journal.runs[0].facts["span_id"] == format(context_of(ran[0]).span_id, "016x")
    assert [run.status for run in bench.journal.runs] == ["end", "end"]
