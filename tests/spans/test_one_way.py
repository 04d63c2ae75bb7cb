"""Every run takes one way, whatever provides its span: one start, one end, one row, with the right outcome."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, ReadableSpan, Span, SpanLimits, SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SdkProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider

from otel_job_measure import JobMeasure
from tests.spans.support import Anything, App, Bench


class Raising(SpanProcessor):
    """Another's processor with a bug."""

    def __init__(self, at: str) -> None:
        self.at = at

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if self.at == "start":
            raise RuntimeError

    def on_end(self, span: ReadableSpan) -> None:
        if self.at == "end":
            raise RuntimeError


class Unhashable(SdkProvider):
    """A provider that can neither be hashed, compared nor weakly referenced by value, as Logfire's."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise TypeError


class Foreign:
    """A provider that knows nothing of the SDK, and loses contexts."""

    def get_tracer(self, *_arguments: Anything, **_more: Anything) -> Anything:
        raise RuntimeError


class Contextless(SdkProvider):
    """A provider whose tracers drop the context they are given."""

    def get_tracer(self, *arguments: Anything, **more: Anything) -> Anything:
        tracer: Any = super().get_tracer(*arguments, **more)
        start = tracer.start_span

        def start_span(name: str, **how: Anything) -> Any:  # noqa: ANN401
            return start(name, **{**how, "context": None})

        tracer.start_span = start_span
        return tracer


def _with(before: SpanProcessor | None = None, after: SpanProcessor | None = None, **arguments: Anything) -> Anything:
    """Returns a provider with one of ours, and others before and after it."""
    provider = SdkProvider(shutdown_on_exit=False, **arguments)
    if before is not None:
        provider.add_span_processor(before)
    with Bench(provider).run("the first binds"):
        pass
    if after is not None:
        provider.add_span_processor(after)
    return provider


PROVIDERS: Final[dict[str, Callable[[], Anything]]] = {
    "none": lambda: None,
    "no-op": NoOpTracerProvider,
    "recording": _with,
    "unsampled": lambda: _with(sampler=ALWAYS_OFF),
    "limited": lambda: _with(span_limits=SpanLimits(max_span_attributes=1, max_span_attribute_length=2)),
    "raises before, at the start": lambda: _with(before=Raising("start")),
    "raises before, at the end": lambda: _with(before=Raising("end")),
    "raises after, at the start": lambda: _with(after=Raising("start")),
    "raises after, at the end": lambda: _with(after=Raising("end")),
    "concurrent": lambda: _with(active_span_processor=ConcurrentMultiSpanProcessor(num_threads=2)),
    "unhashable": lambda: Unhashable(shutdown_on_exit=False),
    "foreign": Foreign,
    "without the context": lambda: Contextless(shutdown_on_exit=False),
}


@pytest.mark.parametrize("which", PROVIDERS)
@pytest.mark.parametrize("ending", ["well", "raises", "fails", "ends its span"])
def test_a_run_has_one_start_and_one_end(which: str, ending: str) -> None:
    """In each situation, and the job sees only its own exception."""
    bench = Bench(PROVIDERS[which]())
    error = ValueError("the job's")

    def job() -> None:
        if ending == "raises":
            raise error
        if ending == "ends its span":
            with contextlib.suppress(RuntimeError):  # of the other processor
                trace.get_current_span().end()

    raises = pytest.raises(ValueError, match="the job's") if ending == "raises" else contextlib.nullcontext()
    with raises, bench.run() as run:
        assert bench.journal.only.start is not None
        job()
        if ending == "fails":
            run.fail("no")
    assert len(bench.journal.appended) == 2
    assert (bench.journal.only.uuid, bench.journal.only.job) == (run.uuid, "nightly")
    assert bench.journal.only.reason == ("error" if ending in {"raises", "fails"} else "end")
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_the_disabled_sdk_is_no_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is recorded without one."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    bench = Bench(SdkProvider(shutdown_on_exit=False))
    with bench.run():
        pass
    assert bench.journal.only.status == "end"
    assert "trace_id" not in bench.journal.only.facts


def test_an_app_opened_span_goes_the_same_way(app: App) -> None:
    """Through `started` and `ended` of the processor."""
    bench, calls = Bench(), list[str]()
    processor = bench.processor()
    app.provider.add_span_processor(processor)
    for name in ("started", "ended"):
        method = getattr(processor, name)

        def noted(*arguments: Anything, _name: str = name, _method: Anything = method) -> None:
            calls.append(_name)
            _method(*arguments)

        setattr(processor, name, noted)
    with app.tracer.start_as_current_span("x", attributes={"scheduling.job.name": "app's"}):
        pass
    assert calls == ["started", "ended"]
    assert bench.journal.only.status == "end"


@pytest.mark.parametrize("provider", [Unhashable(shutdown_on_exit=False), Foreign()])
def test_the_constructor_raises_only_for_wrong_settings(provider: Anything, tmp_path: Path) -> None:
    """Whatever a provider of another make does."""
    measure = JobMeasure(tracer_provider=provider, state_dir=tmp_path)
    with measure.run("nightly"):
        pass
    measure.close()


def test_an_unhashable_provider_gets_one_processor() -> None:
    """It is known by its identity."""
    provider = Unhashable(shutdown_on_exit=False)
    for _ in range(2):
        with Bench(provider).run():
            pass
    assert len(provider._active_span_processor._span_processors) == 1
