import asyncio
import contextvars
from typing import Any

import pytest
import urllib3
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_job_measure.delivery.consumer import Consumer
from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.delivery.shipper import Shipper
from otel_job_measure.delivery.suppress_tracing import untraced
from otel_job_measure.journal.counters import Counters
from tests.delivery.ship import forbid_shippers
from tests.delivery.support import FakeSource, ListRejects, TinyServer, line, settings_for


def test_the_context_is_empty_and_says_to_keep_out() -> None:
    """Inside there is no current span, and every key by which instrumentations are told to keep out."""
    provider = TracerProvider()
    with provider.get_tracer("app").start_as_current_span("span"):

        def look() -> tuple[trace.Span, list[object]]:
            keys = ["suppress_instrumentation", "suppress_http_instrumentation"]
            keys += [context._SUPPRESS_INSTRUMENTATION_KEY, context._SUPPRESS_HTTP_INSTRUMENTATION_KEY]
            return trace.get_current_span(), [context.get_value(key) for key in keys]

        span, found = untraced(look)
        assert span is trace.INVALID_SPAN
        assert found == [True] * 4
        assert trace.get_current_span() is not trace.INVALID_SPAN


def test_nothing_changes_outside() -> None:
    """What is set inside stays inside, whatever comes out of it."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    def change() -> None:
        variable.set(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        untraced(change)
    assert variable.get() == 0
    assert context.get_value("suppress_instrumentation") is None


def test_private_names_may_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the API has no private key any more, the plain ones are set all the same."""
    monkeypatch.delattr(context, "_SUPPRESS_INSTRUMENTATION_KEY")
    monkeypatch.delattr(context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")
    assert untraced(lambda: context.get_value("suppress_instrumentation")) is True


@pytest.mark.parametrize("has_thread", [True, False])
def test_our_requests_are_in_nobodys_traces(
    tiny: TinyServer, monkeypatch: pytest.MonkeyPatch, *, has_thread: bool
) -> None:
    """With the real instrumentation of urllib3 and a current span, our requests make no span and carry no header."""
    module = pytest.importorskip("opentelemetry.instrumentation.urllib3")
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor: Any = module.URLLib3Instrumentor()
    instrumentor.instrument(tracer_provider=provider)
    if not has_thread:
        forbid_shippers(monkeypatch)
    try:
        counters, source = Counters(), FakeSource()
        shipper = Shipper(source, [Consumer(InfluxSink(settings_for(tiny.url), counters, ListRejects()))], counters)
        source.wake = shipper.wake
        with provider.get_tracer("app").start_as_current_span("job"):
            source.append(line(1))
            shipper.close(30)
            with urllib3.PoolManager() as app:
                app.request("POST", tiny.url, body=b"theirs")
    finally:
        instrumentor.uninstrument()
    ours, theirs = tiny.requests
    assert (ours.lines, theirs.lines) == ([line(1)], [b"theirs"])
    assert "traceparent" in theirs.headers
    assert "traceparent" not in ours.headers
    assert sorted(span.name for span in exporter.get_finished_spans()) == ["POST", "job"]


def test_an_event_loops_context_is_not_ours(tiny: TinyServer) -> None:
    """A thread that is started inside a task doesn't see the task's context."""
    seen: list[object] = []

    async def main() -> None:
        token = context.attach(context.set_value("theirs", 1))
        source, counters = FakeSource(), Counters()
        sink = InfluxSink(settings_for(tiny.url), counters, ListRejects())
        shipper = Shipper(source, [Consumer(sink)], counters)
        source.recover = lambda: seen.append(context.get_value("theirs"))  # type: ignore[method-assign]
        source.wake = shipper.wake
        assert await shipper.wait_for_async(source.append(line(1)), 30)
        await asyncio.to_thread(shipper.close, 30)
        context.detach(token)

    asyncio.run(main())
    assert seen in ([], [None])
