"""Which provider the span of a run comes from."""

import random
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from otel_job_measure.spans.sampler import RecordingSampler
from tests.spans.support import App, Bench, Seen


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
    """A provider that is set after the import counts: the next run has its span from it."""
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


def test_the_apis_stand_in_as_an_argument_means_the_global_provider() -> None:
    """`tracer_provider=trace.get_tracer_provider()` before there is one is the same as no argument."""
    bench, seen = Bench(trace.get_tracer_provider()), Seen()
    trace.set_tracer_provider(App(seen, sampler=ALWAYS_OFF).provider)
    with bench.run():
        pass
    assert [span.name for span in seen.ended] == ["run nightly"]


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
    """The app's other spans would have a parent that is not exported, and follow its sampling."""
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
from otel_job_measure.entrypoints.context_manager import RunBlock
from otel_job_measure.spans.active_run import Opener
from otel_job_measure.spans.recorder import Recorder
from tests.spans.support import ListJournal
journal = ListJournal()
with RunBlock(Opener(Recorder(Settings(), lambda: journal), provider), "nightly"):
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
