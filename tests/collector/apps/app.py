"""An app with its own tracing and all kinds of jobs; where it sends its spans is in the environment.

It prints a line of JSON for each run when it is over: what happened, by its own account. Its last argument may be a
number: so many runs of one job follow, with a pause after each hundred until a line comes in. `killed` begins a run
and waits for its end.
"""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_PROTOCOL
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from otel_job_measure import JobMeasure, JobSpanProcessor
from otel_job_measure.points.run_ids import run_id_of_span

SECRET = "a secret of a customer"
ODD_NAMES = (
    "two words, and = signs",
    "ends in a backslash\\",
    "two\\\\ of them, and\\, and\\=",
    'quoted "name"',
    "line\nbreak",
    "nul\0 and cr\r",
    "naïve 名前 🦊",
    "lone \ud83e half",
    "é" * 1000,
    "back\\slash",
)


class Choosy(Sampler):
    """Samples all but the traces of jobs that are called so."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decides by name."""
        sampler = ALWAYS_OFF if "unsampled" in name else ALWAYS_ON
        return sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Names it."""
        return "Choosy"


def tell(job: str, uuid: str, status: str, reason: str | None = None, error_type: str | None = None) -> None:
    """Prints what has happened."""
    line = {"job": job, "uuid": uuid, "status": status, "reason": reason, "error_type": error_type}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class App:
    """The app, with its provider and its measure."""

    def __init__(self, protocol: str) -> None:
        """Sets both up."""
        resource = Resource.create({"service.name": "shop", "cloud.region": "eu-1", "team": "blue"})
        self.provider = TracerProvider(sampler=Choosy(), resource=resource)
        exporter = GrpcExporter() if protocol == "grpc" else HttpExporter()
        self.provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=100))
        self.measure = JobMeasure(tracer_provider=self.provider)
        self.provider.add_span_processor(JobSpanProcessor(measure=self.measure))
        self.tracer = self.provider.get_tracer("shop")

    def good(self, job: str, work: Callable[[], object] = lambda: None) -> None:
        """Runs a job that ends well, with a span of the app's own inside."""
        with self.measure.run(job) as run, self.tracer.start_as_current_span("query", attributes={"sql": SECRET}):
            work()
        tell(job, run.uuid, "end")

    def bad(self, error: BaseException, reason: str, error_type: str) -> None:
        """Runs a job that raises."""
        job, uuid = f"raises-{type(error).__name__}", ""
        try:
            with self.measure.run(job) as run:
                uuid = run.uuid
                get_current_span().set_attribute("customer", SECRET)
                raise error
        except BaseException as caught:
            if caught is not error:
                raise
        tell(job, uuid, "failed", reason, error_type)

    def own_span(self, job: str, error: Exception | None = None) -> None:
        """Opens a span itself, that is a job's by its attribute, and says of its stage what the settings don't say."""
        uuid, kind = "", type(error)
        try:
            attributes = {"scheduling.job.name": job, "scheduling.job.stage": "another"}
            with self.tracer.start_as_current_span("work", attributes=attributes) as span:
                uuid = run_id_of_span(span.get_span_context().span_id)
                if error is not None:
                    raise error
        except Exception as caught:
            if caught is not error:
                raise
            reason = "timeout" if isinstance(error, TimeoutError) else "error"
            tell(job, uuid, "failed", reason, kind.__qualname__)
        else:
            tell(job, uuid, "end")

    def overlapping(self) -> None:
        """Runs three jobs of one name in threads, and three in tasks, all of them under way at once."""
        meeting = threading.Barrier(3)
        threads = [threading.Thread(target=self.good, args=("threads", meeting.wait)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asyncio.run(self._tasks())

    async def _tasks(self) -> None:
        meeting = asyncio.Barrier(3)

        async def task() -> None:
            async with self.measure.run("tasks") as run:
                await meeting.wait()
            tell("tasks", run.uuid, "end")

        await asyncio.gather(task(), task(), task())

    def all_kinds(self) -> None:
        """Runs one of everything."""
        for name in ODD_NAMES:
            self.good(name)
        self.overlapping()
        self.good("unsampled")
        self.bad(ValueError(SECRET), "error", "ValueError")
        self.bad(TimeoutError(SECRET), "timeout", "TimeoutError")
        self.bad(asyncio.CancelledError(), "cancelled", "asyncio.exceptions.CancelledError")
        self.bad(SystemExit(3), "exit", "SystemExit")
        self.bad(KeyboardInterrupt(), "signal", "KeyboardInterrupt")
        with self.measure.run("says-so") as run:
            run.fail(SECRET)
        tell("says-so", run.uuid, "failed", "error")
        self.own_span("own")
        self.own_span("own-fails", LookupError(SECRET))
        self.own_span("own-late", TimeoutError(SECRET))
        with self.tracer.start_as_current_span("no job", attributes={"sql": SECRET}):
            pass

    def many(self, number: int) -> None:
        """Runs a job often; after each hundred it waits for a line on stdin."""
        for done in range(1, number + 1):
            self.good("many")
            if done % 100 == 0:
                self.provider.force_flush()
                sys.stdin.readline()

    def killed(self) -> None:
        """Begins a run that nothing will ever end."""
        with self.measure.run("killed") as run:
            tell("killed", run.uuid, "failed", "lost")
            sys.stdin.readline()

    def close(self) -> None:
        """Sends what is left."""
        self.provider.shutdown()
        self.measure.close(30)


def main() -> None:
    """Does what the arguments say."""
    what = sys.argv[1]
    app = App(os.environ.get(OTEL_EXPORTER_OTLP_PROTOCOL, "grpc"))
    if what == "all":
        app.all_kinds()
    elif what == "killed":
        app.killed()
    else:
        app.many(int(what))
    app.close()


main()
