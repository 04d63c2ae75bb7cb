"""The span of a command's run. This module imports the SDK; `load` imports the exporter while the command runs."""

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace.propagation import set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_job_measure import names
from otel_job_measure.cli.exec import exporter
from otel_job_measure.cli.exec.tracing import TRACEPARENT, TRACESTATE
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.spans.attributes import describe_end
from otel_job_measure.spans.run import Job, Run

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_CARRIED = {"traceparent": TRACEPARENT, "tracestate": TRACESTATE}
_propagator = TraceContextTextMapPropagator()


class RunSpan:
    """A span of a provider that the standard variables configure; its parent is the span that TRACEPARENT names.

    Methods may raise: the caller guards them.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._span: Span | None = None
        self._delivery = _Delivery()
        self._sending: threading.Thread | None = None

    @property
    def resource(self) -> Mapping[str, object]:
        """Returns the attributes of the provider's resource."""
        return self._provider.resource.attributes

    def start(self, run: Run, job: Job) -> None:
        """Starts the span, and gives the run the ids of a sampled span."""
        carrier = {name: os.environ.get(variable, "") for name, variable in _CARRIED.items()}
        self._span = self._provider.get_tracer(names.SCOPE).start_span(
            job.span_name,
            _propagator.extract(carrier, Context()),
            attributes=job.attributes(run),
            start_time=run.start_ns,
        )
        context = self._span.get_span_context()
        if context.trace_flags.sampled:
            run.trace = (context.trace_id, context.span_id)

    def variables(self) -> dict[bytes, bytes]:
        """Returns the variables that make the span the parent of the command's own."""
        # A state that belongs to another parent must not stay.
        carrier = {"tracestate": ""} if TRACESTATE in os.environ else {}
        if self._span is not None:
            _propagator.inject(carrier, set_span_in_context(self._span, Context()))
        return {os.fsencode(_CARRIED[name]): os.fsencode(value) for name, value in carrier.items()}

    def load(self) -> None:
        """Imports the exporter if the span is sampled."""
        if self._span is not None and self._span.get_span_context().trace_flags.sampled:
            self._delivery.exporter = exporter.made(self._module)
            self._provider.add_span_processor(SimpleSpanProcessor(self._delivery))

    def end(self, run: Run, outcome: Outcome) -> None:
        """Ends the span and starts its export in a thread, because an exporter may block."""
        if self._span is not None:
            describe_end(self._span, run, outcome, None)
            sending = threading.Thread(target=self._span.end, args=(run.end_ns,), name="exec-export", daemon=True)
            sending.start()
            self._sending = sending

    def finish(self, timeout_s: float) -> str | None:
        """Waits until the span is exported; returns why it is not, or None if it is or need not be."""
        if self._sending is None or self._delivery.exporter is None:
            return None
        self._sending.join(max(timeout_s, 0))
        if self._sending.is_alive():
            return self._delivery.words or "it took too long"
        return None if self._delivery.done else self._delivery.words or "the exporter failed"


class _Delivery(logging.Handler, SpanExporter):
    """The exporter, and the last message that it logs: stderr belongs to the command, so `exec` prints one line."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.exporter: SpanExporter | None = None
        self.words = ""
        self.done = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for name in ("opentelemetry", "urllib3"):
            logger = logging.getLogger(name)
            logger.addHandler(self)
            logger.propagate = False
        result = SpanExportResult.FAILURE if self.exporter is None else self.exporter.export(spans)
        self.done = result is SpanExportResult.SUCCESS
        return result

    def emit(self, record: logging.LogRecord) -> None:
        self.words = exporter.shown(record.getMessage())
