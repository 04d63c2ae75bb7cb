"""An app of Celery for workers that are timed; `INSTRUMENTED` says by what: ours, theirs, or both."""

import os
from importlib import import_module
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from otel_job_measure.integrations import celery as adapter

GATE: Final = "gate"
INSTRUMENTED: Final = "INSTRUMENTED"


class Nowhere(SpanExporter):
    """Exports at once, and to nowhere."""

    def export(self, spans: object) -> SpanExportResult:
        """Says that it has."""
        del spans
        return SpanExportResult.SUCCESS


def app_of(url: str) -> Any:  # noqa: ANN401 - Celery has no types
    """Returns an app with two tasks, `gate` and `nothing`."""
    app = import_module("celery").Celery("benchmarks", set_as_current=False, broker=url, backend=url)
    app.conf.update(worker_hijack_root_logger=False, worker_prefetch_multiplier=100)
    client: Any = import_module("redis").Redis.from_url(url, socket_timeout=600)

    def gate() -> None:
        client.blpop(GATE)

    app.task(name="gate", shared=False)(gate)
    app.task(name="nothing", shared=False)(nothing)
    return app


def nothing() -> None:
    """Is what a task does."""


if "BROKER" in os.environ:
    instrumented = os.environ[INSTRUMENTED]
    if "theirs" in instrumented:
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(Nowhere()))
        trace.set_tracer_provider(provider)
        instrumentor: Any = import_module("opentelemetry.instrumentation.celery").CeleryInstrumentor
        instrumentor().instrument()
    if "ours" in instrumented:
        adapter.install()
    app = app_of(os.environ["BROKER"])
