"""Which provider the span of a run comes from."""

import random
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, Tracer

from otel_job_measure.spans.sampler import RecordingSampler
from tests.spans.support import Anything, App, Bench, Seen, context_of


def global_is_empty() -> bool:
    """Tells whether the app could still set its provider; unlike the API's getter it fills nothing."""
    return isinstance(trace.ProxyTracerProvider().get_tracer("x"), trace.ProxyTracer)


def test_the_global_provider_set_before_us_is_used(app: App) -> None:
    """The app traces already, and its backend sees the job."""
    trace.set_tracer_provider(app.provider)
    bench = Bench()
    with bench.run():
        pass
    assert list(app.exported) == ["run nightly"]
    assert bench.journal.only.status == "end"


def test_the_global_provider_set_after_us_is_used(app: App) -> None:
    """An import order is nobody's fault: the run after it has its span from the app's provider."""
    bench = Bench()
    with bench.run("before"):
        pass
    trace.set_tracer_provider(app.provider)
    with bench.run("after"):
        pass
    assert list(app.exported) == ["run after"]
    assert [run.status for run in bench.journal.runs] == ["end", "end"]
    assert "trace_id" not in bench.journal.runs[0].facts
    assert bench.journal.runs[1].facts["trace_id"] == format(app.context("run after").trace_id, "032x")


def test_the_apps_provider_set_during_a_run_does_not_touch_it(app: App) -> None:
    """A run keeps the span it began with."""
    bench = Bench()
    with bench.run():
        trace.set_tracer_provider(app.provider)
    assert not app.exported
    assert bench.journal.only.status == "end"


def test_a_provider_given_as_an_argument_wins(app: App) -> None:
    """Over the global one, which sees nothing of the job."""
    other = App()
    trace.set_tracer_provider(other.provider)
    with Bench(app.provider).run():
        pass
    assert list(app.exported) == ["run nightly"]
    assert not other.exported


def test_the_apis_stand_in_as_an_argument_means_the_global_provider(app: App) -> None:
    """`tracer_provider=trace.get_tracer_provider()` before there is one is the same as no argument."""
    bench = Bench(trace.get_tracer_provider())
    trace.set_tracer_provider(app.provider)
    with bench.run():
        pass
    assert list(app.exported) == ["run nightly"]


def test_without_a_provider_the_global_slot_stays_empty() -> None:
    """It is the app's, which may set its own a minute later."""
    bench = Bench()
    with bench.run():
        pass
    assert global_is_empty()
    assert bench.journal.only.status == "end"


def test_the_slot_is_not_filled_where_the_environment_names_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API's getter would load that provider and set it, behind the app's back."""
    monkeypatch.setenv("OTEL_PYTHON_TRACER_PROVIDER", "sdk_tracer_provider")
    bench = Bench()
    with bench.run():
        pass
    assert global_is_empty()
    assert bench.journal.only.status == "end"
    assert not bench.failures


def test_without_a_provider_no_span_of_ours_is_ever_current(app: App) -> None:
    """The app's other spans would hang from a parent that nobody exports, and be sampled by our decision."""
    bench = Bench()
    with app.tracer.start_as_current_span("request") as request, bench.run():
        assert trace.get_current_span() is request
        with app.tracer.start_as_current_span("inside"):
            pass
    with bench.run():
        assert trace.get_current_span() is trace.INVALID_SPAN
        with app.tracer.start_as_current_span("alone"):
            pass
    assert app.exported["inside"].parent == request.get_span_context()
    assert app.exported["alone"].parent is None
    assert [run.facts.keys() & {"trace_id", "span_id"} for run in bench.journal.runs] == [set(), set()]


def test_a_run_takes_nothing_from_the_jobs_randomness() -> None:
    """A job that seeds `random` draws the same numbers as without us, and its runs have different ids all the same."""
    bench = Bench()
    random.seed(42)
    expected = [random.random() for _ in range(3)]
    drawn: list[float] = []
    random.seed(42)
    for _ in range(3):
        with bench.run():
            drawn.append(random.random())
    assert drawn == expected
    assert len({run.uuid for run in bench.journal.runs}) == 3


def test_without_a_provider_tags_come_from_opentelemetrys_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no detector is asked: they use threads and the network."""
    monkeypatch.setenv("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "process,os")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "cloud.region=fra")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "billing")
    bench = Bench(tags=("process.pid",))
    with bench.run():
        pass
    start = bench.journal.only.start
    assert start is not None
    assert start.tags == {"job": "nightly", "datacenter": "fra", "project": "billing"}


@pytest.mark.parametrize("given", [True, False])
def test_a_fork_after_a_run_hangs_no_child(given: bool) -> None:  # noqa: FBT001
    """A provider of the SDK (1.45) may do that: in the child it asks for a lock that is freed only after its turn."""
    app = (
        "from opentelemetry.sdk.trace import TracerProvider; provider = TracerProvider()"
        if given
        else "provider = None"
    )
    code = f"""
import os, signal
{app}
from otel_job_measure.settings import Settings
from otel_job_measure.spans.doors import RunDoor
from otel_job_measure.spans.opener import Opener
from otel_job_measure.spans.recorder import Recorder
from tests.spans.support import ListJournal
journal = ListJournal()
with RunDoor(Opener(Recorder(Settings(), lambda: journal), provider), "nightly"):
    pass
import concurrent.futures.thread
if (child := os.fork()) == 0:
    os._exit(0)
signal.alarm(20)
print(os.waitpid(child, 0)[1], len(journal.runs))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0 1\n", "")


def test_a_first_run_imports_nothing() -> None:
    """What is imported while another thread forks hangs the child for ever."""
    bench = Bench()
    before = set(sys.modules)
    with bench.run():
        pass
    assert set(sys.modules) == before


def test_only_the_sampler_of_our_own_tracer_is_wrapped(app: App) -> None:
    """Once, however many of us there are; the provider's and every other tracer's stay as they are."""
    sampler = app.provider.sampler
    for _ in range(3):
        with Bench(app.provider).run():
            pass
    ours: Any = app.provider.get_tracer("otel_job_measure", "1.2.3")
    assert isinstance(ours.sampler, RecordingSampler)
    assert ours.sampler.get_description() == f"RecordingSampler{{{sampler.get_description()}}}"
    others: Any = app.tracer
    assert app.provider.sampler is others.sampler is sampler


def test_a_provider_gets_one_processor_of_ours() -> None:
    """However many `JobMeasure`s use it: processors cannot be taken away again."""

    class Counting(TracerProvider):
        added = 0

        def add_span_processor(self, span_processor: SpanProcessor) -> None:
            self.added += 1
            super().add_span_processor(span_processor)

    provider = Counting(shutdown_on_exit=False)
    for _ in range(3):
        with Bench(provider).run():
            pass
    assert provider.added == 1


def test_two_measures_on_one_provider_record_each_its_own(app: App) -> None:
    """A run belongs to the `JobMeasure` that opened it."""
    one, two = Bench(app.provider), Bench(app.provider, project="other")
    with one.run("a"), two.run("b"):
        pass
    assert [run.job for run in one.journal.runs] == ["a"]
    assert [run.job for run in two.journal.runs] == ["b"]


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
            tracer.start_span = lambda name, context, **how: start(name, **how)
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
    with app.tracer.start_as_current_span("request") as request:
        with bench.run("outer"), bench.run("inner"):
            assert trace.get_current_span() is request
        assert request.is_recording()
    assert [run.status for run in bench.journal.runs] == ["end", "end"]
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
        inside: Callable[[], None] | None = None

        def get_tracer(self, *arguments: Anything, **more: Anything) -> Tracer:
            inside, self.inside = self.inside, None
            if inside is not None:
                inside()
            return super().get_tracer(*arguments, **more)

    provider = Interrupted(shutdown_on_exit=False)
    bench = Bench()

    def handler() -> None:
        with bench.run("handler"):
            pass

    provider.inside = handler
    trace.set_tracer_provider(provider)
    with bench.run("job"):
        pass
    assert {run.job: run.status for run in bench.journal.runs} == {"handler": "end", "job": "end"}


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
