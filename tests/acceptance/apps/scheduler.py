"""An app as there are many: a scheduler with three jobs, its own tracing with its own exporter, and a ledger.

It is given a folder and whether the jobs run in threads or in tasks. It writes `ledger.jsonl` (what each job did) and
`spans.jsonl` (what its exporter was given) there, and ends when each job has run often enough.
"""

import asyncio
import importlib
import itertools
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from otel_job_measure import JobMeasure, JobSpanProcessor, compose, compose_sync, job_measure, job_measure_sync
from otel_job_measure.points.run_ids import run_id_of_span

EACH = 12
INTERVAL_S = 0.04
RESOURCE = {"service.name": "shop", "cloud.region": "eu-1", "deployment.environment.name": "test"}


class LineExporter(SpanExporter):
    """Writes what it is given to a file, a line a span.

    Args:
        file: The file.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Writes spans."""
        for span in spans:
            assert span.context is not None
            self._write(
                {
                    "name": span.name,
                    "trace_id": f"{span.context.trace_id:032x}",
                    "span_id": f"{span.context.span_id:016x}",
                    "parent_id": None if span.parent is None else f"{span.parent.span_id:016x}",
                    "start_ns": span.start_time,
                    "end_ns": span.end_time,
                    "attributes": dict(span.attributes or {}),
                    "status": span.status.status_code.name,
                }
            )
        return SpanExportResult.SUCCESS

    def _write(self, span: dict[str, object]) -> None:
        self._file.write(json.dumps(span) + "\n")


class Ledger:
    """What the jobs did, a line a run, and whether that is enough.

    Args:
        file: Where it is written.
    """

    def __init__(self, file: IO[str]) -> None:
        self.enough = threading.Event()
        self._file = file
        self._lock = threading.Lock()
        self._runs: dict[str, int] = {}

    def note(
        self, job: str, began_ns: int, outcome: str = "end", error_type: str | None = None, **more: object
    ) -> None:
        """Notes what the run has done whose span is current, just before it ends."""
        span: Any = trace.get_current_span()
        context = span.get_span_context()
        entry = {
            "job": job,
            "uuid": span.attributes.get("scheduling.job.run_id") or run_id_of_span(context.span_id),
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
            "outcome": outcome,
            "error_type": error_type,
            "worked_ns": time.monotonic_ns() - began_ns,
        }
        with self._lock:
            self._file.write(json.dumps(entry | more) + "\n")
            self._runs[job] = self._runs.get(job, 0) + 1
            if len(self._runs) > 3 and min(self._runs.values()) >= EACH:
                self.enough.set()


class NoOrdersError(Exception):
    """What one of the jobs raises."""


def failure(attempt: int) -> tuple[BaseException, str, str]:
    """Returns what the job that fails raises this time, the reason that this is, and its type's name."""
    return (
        (NoOrdersError("no orders"), "error", f"{__name__}.NoOrdersError"),
        (TimeoutError("too late"), "timeout", "TimeoutError"),
        (SystemExit(4), "exit", "SystemExit"),
    )[attempt % 3]


class Jobs:
    """The jobs.

    Args:
        ledger: Where they note what they did.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._tracer = trace.get_tracer("shop")
        self._attempts = itertools.count()
        self._arrivals = itertools.count()
        self.two = threading.Barrier(2)

    def report(self, ctx: dict[str, str]) -> None:
        """Ends well, and sends a mail on the way, which is a run by a span of the app's own."""
        began_ns = time.monotonic_ns()
        with self._tracer.start_as_current_span("query"):
            pass
        with self._tracer.start_as_current_span("send", attributes={"scheduling.job.name": "mail"}):
            self._ledger.note("mail", time.monotonic_ns())
        self._ledger.note(ctx["name"], began_ns)

    def import_orders(self) -> None:
        """Fails, each time in another of three ways."""
        began_ns = time.monotonic_ns()
        error, *said = failure(next(self._attempts))
        with self._tracer.start_as_current_span("read"):
            pass
        self._ledger.note("import", began_ns, *said)
        raise error

    def sync(self, ctx: dict[str, str]) -> None:
        """Goes on only when it runs twice at once."""
        began_ns, pair = time.monotonic_ns(), next(self._arrivals) // 2
        try:
            self.two.wait()
        except threading.BrokenBarrierError:  # the app ends, and no other job comes
            self._ledger.note(ctx["name"], began_ns, pair=None)
            return
        with self._tracer.start_as_current_span("copy"):
            pass
        self._ledger.note(ctx["name"], began_ns, pair=pair)


class AsyncJobs:
    """The same jobs as coroutines.

    Args:
        ledger: Where they note what they did.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._tracer = trace.get_tracer("shop")
        self._attempts = itertools.count()
        self._arrivals = itertools.count()
        self._two = asyncio.Barrier(2)

    async def report(self, ctx: dict[str, str]) -> None:
        """Ends well, and sends a mail on the way, which is a run by a span of the app's own."""
        began_ns = time.monotonic_ns()
        with self._tracer.start_as_current_span("query"):
            await asyncio.sleep(0)
        with self._tracer.start_as_current_span("send", attributes={"scheduling.job.name": "mail"}):
            mail_ns = time.monotonic_ns()
            await asyncio.sleep(0)
            self._ledger.note("mail", mail_ns)
        self._ledger.note(ctx["name"], began_ns)

    async def import_orders(self) -> None:
        """Fails, each time in another of three ways."""
        began_ns = time.monotonic_ns()
        error, *said = failure(next(self._attempts))
        with self._tracer.start_as_current_span("read"):
            await asyncio.sleep(0)
        self._ledger.note("import", began_ns, *said)
        raise error

    async def sync(self, ctx: dict[str, str]) -> None:
        """Goes on only when it runs twice at once; one that waits when the app ends is cancelled."""
        began_ns, pair = time.monotonic_ns(), next(self._arrivals) // 2
        try:
            await self._two.wait()
        except asyncio.CancelledError:
            said = "cancelled", "asyncio.exceptions.CancelledError"
            self._ledger.note(ctx["name"], began_ns, *said, pair=None)
            raise
        with self._tracer.start_as_current_span("copy"):
            await asyncio.sleep(0)
        self._ledger.note(ctx["name"], began_ns, pair=pair)


def add(scheduler: Any, job: Callable[..., object], *ctx: object, at_once: int = 1) -> None:  # noqa: ANN401 - no types
    """Has a job run again and again."""
    scheduler.add_job(job, "interval", seconds=INTERVAL_S, args=ctx, max_instances=at_once)


def in_threads(measure: JobMeasure, ledger: Ledger) -> None:
    """Runs the jobs in threads until there are enough runs."""
    background: Any = importlib.import_module("apscheduler.schedulers.background")
    scheduler, jobs = background.BackgroundScheduler(), Jobs(ledger)
    add(scheduler, compose_sync([job_measure_sync], jobs.report), {"name": "report"})
    add(scheduler, measure.job("import")(jobs.import_orders))
    add(scheduler, compose_sync([measure.sync_middleware], jobs.sync), {"name": "sync"}, at_once=2)
    scheduler.start()
    ledger.enough.wait()
    scheduler.pause()
    jobs.two.abort()
    scheduler.shutdown()


async def in_tasks(measure: JobMeasure, ledger: Ledger) -> None:
    """Runs the jobs in tasks of an event loop until there are enough runs."""
    asynchronous: Any = importlib.import_module("apscheduler.schedulers.asyncio")
    scheduler, jobs = asynchronous.AsyncIOScheduler(), AsyncJobs(ledger)
    add(scheduler, compose([job_measure], jobs.report), {"name": "report"})
    add(scheduler, measure.job("import")(jobs.import_orders))
    add(scheduler, compose([measure.middleware], jobs.sync), {"name": "sync"}, at_once=2)
    scheduler.start()
    await asyncio.to_thread(ledger.enough.wait)
    scheduler.shutdown()


def main(folder: Path, kind: str) -> None:
    """Runs the jobs, and ends as an app should."""
    logging.basicConfig(level=logging.DEBUG)
    measure = JobMeasure(project="warehouse")  # there is no tracer provider yet
    with (folder / "ledger.jsonl").open("w") as ledger_file, (folder / "spans.jsonl").open("w") as spans_file:
        provider = TracerProvider(resource=Resource(RESOURCE))
        provider.add_span_processor(BatchSpanProcessor(LineExporter(spans_file)))
        provider.add_span_processor(JobSpanProcessor())
        trace.set_tracer_provider(provider)
        ledger = Ledger(ledger_file)
        if kind == "threads":
            in_threads(measure, ledger)
        else:
            asyncio.run(in_tasks(measure, ledger))
        provider.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
