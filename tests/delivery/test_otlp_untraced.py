"""The package's requests to a receiver are in no trace."""

from importlib import import_module
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_job_measure.delivery.consumer import Consumer
from otel_job_measure.delivery.shipper import Shipper
from otel_job_measure.journal.interfaces import Ack
from tests.delivery.receivers import GrpcReceiver, Sent, otlp
from tests.delivery.support import FakeSource, TinyServer, line

INSTRUMENTORS = {"http/protobuf": ("urllib3", "URLLib3Instrumentor"), "grpc": ("grpc", "GrpcInstrumentorClient")}


@pytest.mark.parametrize("protocol", INSTRUMENTORS)
def test_our_requests_are_in_nobodys_traces(http: TinyServer, grpc: GrpcReceiver, protocol: str) -> None:
    """With the real instrumentation and a current span they make no span and carry no header; the app's own do."""
    module, name = INSTRUMENTORS[protocol]
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor: Any = getattr(import_module(f"opentelemetry.instrumentation.{module}"), name)()
    receiver: Any = http if protocol == "http/protobuf" else grpc
    instrumentor.instrument(tracer_provider=provider)
    try:
        ours, theirs = (Sent(otlp(receiver.url, protocol)) for _ in range(2))
        source = FakeSource()
        shipper = Shipper(source, [Consumer(ours.sink)], ours.counters)
        source.wake = shipper.wake
        with provider.get_tracer("app").start_as_current_span("job"):
            assert shipper.wait_for(source.append(line(1)), 30)
            shipper.close(30)
            assert exporter.get_finished_spans() == ()
            assert theirs.take(line(2)).ack is Ack.DONE  # as if the app had sent it
        theirs.sink.close()
    finally:
        instrumentor.uninstrument()
    headers = [{*request.metadata} for request in grpc.requests] or [{*request.headers} for request in http.requests]
    assert ["traceparent" in each for each in headers] == [False, True]
