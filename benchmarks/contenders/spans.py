"""Spans of the OpenTelemetry SDK: alone, and with a `BatchSpanProcessor`."""

from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.contenders.contender import JOB, TAGS, Where, async_job, job
from otel_job_measure import JobMeasure, JobSpanProcessor, names

AT_START: Final = {
    names.ATTR_NAME: JOB,
    names.ATTR_DATACENTER: TAGS["datacenter"],
    names.ATTR_PROJECT: TAGS["project"],
    names.ATTR_STAGE: TAGS["stage"],
    names.ATTR_HOST: "a-host",
    names.ATTR_RUN_ID: "23456789ABCD",
}
"""What a span of ours says at its start."""
AT_END: Final[Mapping[str, str | float]] = {names.ATTR_DURATION: 0.000123, names.ATTR_STATUS: names.STATUS_END}
"""What it says at its end."""


class NullExporter(SpanExporter):
    """Takes every span and does nothing with it: the least that an exporter can cost."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Takes spans."""
        del spans
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Has nothing to end."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Has nothing to flush."""
        del timeout_millis
        return True


class NullProcessor(SpanProcessor):
    """Is told of every span and does nothing: what is left is what the SDK takes for telling it."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Does nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Does nothing."""


class ReadingProcessor(NullProcessor):
    """Asks every span for its attributes: the least work of a processor that looks for one of them."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Asks for the attributes, and does nothing with them."""
        del parent_context
        span.attributes  # noqa: B018 - it is the asking that costs


def provider(exporter: SpanExporter | None, attributes: Mapping[str, str] | None = None) -> TracerProvider:
    """Makes a tracer provider as an app has it.

    Args:
        exporter: Gets the spans from a `BatchSpanProcessor`; None for a provider without any processor.
        attributes: What its resource has besides the app's name.
    """
    resource = Resource.create({"service.name": "billing", **(attributes or {})})
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    if exporter is not None:
        made.add_span_processor(BatchSpanProcessor(exporter))
    return made


def otlp(where: Where) -> SpanExporter:
    """Makes the exporter that OpenTelemetry recommends, towards the stub."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - if used

    return OTLPSpanExporter(endpoint=f"{where.server}/v1/traces")


def _watched(made: TracerProvider, where: Where, *, beside: bool = False) -> TracerProvider:
    traced = made if beside else None
    measure = JobMeasure(tracer_provider=traced, state_dir=where.folder / "state", ship=False, **TAGS)
    made.add_span_processor(JobSpanProcessor(measure=measure))
    return made


def _with(*processors: SpanProcessor) -> TracerProvider:
    made = provider(None)
    for processor in processors:
        made.add_span_processor(processor)
    return made


class Spans:
    """A span around the job, with the job's name in its own name and nothing else.

    Args:
        made: Where the spans come from.
    """

    def __init__(self, made: TracerProvider) -> None:
        self._provider = made
        self._tracer = made.get_tracer("benchmarks")

    @classmethod
    def alone(cls, where: Where) -> "Spans":
        """Makes spans without a processor."""
        del where
        return cls(provider(None))

    @classmethod
    def batched(cls, where: Where) -> "Spans":
        """Makes spans that go through a `BatchSpanProcessor` to an exporter that drops them."""
        del where
        return cls(provider(NullExporter()))

    @classmethod
    def exported(cls, where: Where) -> "Spans":
        """Makes spans that go through a `BatchSpanProcessor` to a server, by OTLP over HTTP."""
        return cls(provider(otlp(where)))

    @classmethod
    def unwatched(cls, where: Where) -> "Spans":
        """Makes spans that a processor is told of, which does nothing."""
        del where
        return cls(_with(NullProcessor()))

    @classmethod
    def read(cls, where: Where) -> "Spans":
        """Makes spans that a processor asks for their attributes."""
        del where
        return cls(_with(ReadingProcessor()))

    @classmethod
    def watched(cls, where: Where) -> "Spans":
        """Makes spans that our processor looks at, which are no job's."""
        return cls(_watched(provider(None), where))

    @classmethod
    def watched_twice(cls, where: Where) -> "Spans":
        """The same on a provider that a `JobMeasure` uses for its own, too."""
        return cls(_watched(provider(None), where, beside=True))

    @classmethod
    def batched_and_watched(cls, where: Where) -> "Spans":
        """The same, through a `BatchSpanProcessor` too."""
        return cls(_watched(provider(NullExporter()), where))

    @classmethod
    def beside(cls, where: Where) -> "Spans":
        """Makes spans on a provider that a `JobMeasure` uses for its own."""
        made = provider(None)
        JobMeasure(tracer_provider=made, state_dir=where.folder / "state", ship=False, **TAGS)
        return cls(made)

    def run(self) -> object:
        """Runs the job once."""
        with self._tracer.start_as_current_span(f"run {JOB}"):
            return job()

    async def run_async(self) -> object:
        """Runs the asynchronous job once."""
        with self._tracer.start_as_current_span(f"run {JOB}"):
            return await async_job()

    def settle(self) -> None:
        """Exports what is left."""
        self._provider.force_flush()

    def close(self) -> None:
        """Shuts the provider down."""
        self._provider.shutdown()


class DescribedSpans(Spans):
    """A span around the job that says what ours says, by hand."""

    def run(self) -> object:
        """Runs the job once."""
        with self._tracer.start_as_current_span(f"run {JOB}", attributes=AT_START) as span:
            result = job()
            span.set_attributes(AT_END)
            return result
