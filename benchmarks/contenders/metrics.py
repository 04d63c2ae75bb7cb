"""OpenTelemetry metrics: a counter and a histogram, exported now and then."""

import time

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from benchmarks.contenders.contender import JOB, Where, job


class Metrics:
    """Counts runs and records how long they took; no single run can be found again."""

    def __init__(self, where: Where) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415 - if used

        reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{where.server}/v1/metrics"))
        self._provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
        meter = self._provider.get_meter("benchmarks")
        self._runs = meter.create_counter("job.runs")
        self._duration = meter.create_histogram("job.duration", unit="s")

    def run(self) -> object:
        """Runs the job once."""
        began = time.monotonic()
        result = job()
        attributes = {"job": JOB, "status": "end"}
        self._runs.add(1, attributes)
        self._duration.record(time.monotonic() - began, attributes)
        return result

    def settle(self) -> None:
        self._provider.force_flush()

    def close(self) -> None:
        self._provider.shutdown()
