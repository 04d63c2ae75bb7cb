"""An app that runs a job now and then: `paced.py RUNS rows` or `paced.py RUNS spans`.

It prints a line of JSON for each start and end of a run: its uuid, what it was, and the monotonic clock just before it.
Then it waits for the end of its stdin. With `spans` its provider exports, set up as the standard's variables say.
"""

import json
import random
import sys
import time
from threading import Event

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_job_measure import JobMeasure

JOB_S, LONGEST_PAUSE_S = 0.3, 0.5


def tell(uuid: str, status: str, clock_ns: int) -> None:
    """Prints what has happened."""
    sys.stdout.write(json.dumps([uuid, status, clock_ns]) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Runs it so often."""
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    if sys.argv[2] == "spans":
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    measure = JobMeasure(tracer_provider=provider)
    time_passes = Event()
    for _ in range(int(sys.argv[1])):
        time_passes.wait(random.uniform(0, LONGEST_PAUSE_S))
        began_ns = time.monotonic_ns()
        with measure.run("paced") as run:
            tell(run.uuid, "start", began_ns)
            time_passes.wait(JOB_S)
            ending_ns = time.monotonic_ns()
        tell(run.uuid, "end", ending_ns)
    sys.stdin.read()
    provider.shutdown()
    measure.close(30)


main()
