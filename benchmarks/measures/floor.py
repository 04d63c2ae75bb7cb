"""What the parts of a run cost on their own: below this nothing can go."""

import os
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from opentelemetry import context as context_api
from opentelemetry.trace import Tracer

from benchmarks.bench import Bench
from benchmarks.child import timed
from benchmarks.contenders.contender import TAGS, job
from benchmarks.contenders.spans import AT_END, AT_START, NullExporter, provider
from benchmarks.samples import percentile
from benchmarks.tables import Column, Part, Table
from otel_job_measure.points.outcome import ENDED
from otel_job_measure.points.rows import ending_lines, start_line
from otel_job_measure.points.runids import new_run_id
from otel_job_measure.points.series import Series
from otel_job_measure.points.tags import DefaultTags

_ROUNDS: Final = 15
_LOOPS: Final = 1000
_HANDOVERS: Final = 20_000
_OTHERS: Final = 15
_UUID: Final = "23456789ABCD"
_TIME_NS: Final = 1_800_000_000_000_000_000
_JOB: Final = "the job, called"
_ID: Final = "the run's id"
_ROWS: Final = ("the start row, encoded", "the two rows of the end, encoded")
_APPENDS: Final = ("fstat and write, a start", "fstat and write, an end")
_CONTEXT: Final = "a context attached and detached"
_EXPORTED: Final = "SDK span with our attributes and BatchSpanProcessor"
_OF_A_RUN: Final = (_JOB, _ID, *_ROWS, *_APPENDS)
_ALL: Final = "together: a run without a span"
_ALL_TRACED: Final = "together: a run in an app that exports its spans"


def measure(bench: Bench) -> Part:
    """Times each part in a loop of its own, by turns.

    Args:
        bench: The folders.
    """
    file = bench.new_folder() / "file"
    parts = {**_small_parts(file), **_spans()}
    found: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(_ROUNDS):
        for name, part in parts.items():
            found[name].append(_loop_ns(part))
    rows = [(name, statistics.median(each), min(each)) for name, each in found.items()]
    for what, names in ((_ALL, _OF_A_RUN), (_ALL_TRACED, (*_OF_A_RUN, _CONTEXT, _EXPORTED))):
        parts_of_it = [row for row in rows if row[0] in names]
        rows.append((what, sum(row[1] for row in parts_of_it), sum(row[2] for row in parts_of_it)))
    table = Table(
        name="floor",
        title="What the parts of a run cost on their own",
        columns=(
            Column(title="", unit="text"),
            Column(title="median", unit="us"),
            Column(title="least", unit="us"),
        ),
        rows=tuple(rows),
    )
    return Part(tables=(table, _handover(file)))


def _loop_ns(part: Callable[[], object]) -> float:
    loops = range(_LOOPS)
    began = time.perf_counter_ns()
    for _ in loops:
        part()
    return (time.perf_counter_ns() - began) / _LOOPS


def _small_parts(file: Path) -> Mapping[str, Callable[[], object]]:
    series = Series("nightly", DefaultTags(**TAGS))
    line = start_line(series, _UUID, _TIME_NS)
    fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def endings() -> bytes:
        return ending_lines(
            series,
            uuid=_UUID,
            outcome=ENDED,
            end_ns=_TIME_NS,
            duration_s=0.000123,
            host="host",
            trace_id="0123456789abcdef0123456789abcdef",
            span_id="0123456789abcdef",
            run_row=True,
            error_message=False,
        )

    ending = endings()
    return {
        _JOB: job,
        _ID: new_run_id,
        _ROWS[0]: lambda: start_line(series, _UUID, _TIME_NS),
        _ROWS[1]: endings,
        _APPENDS[0]: lambda: (os.fstat(fd), os.write(fd, line)),
        _APPENDS[1]: lambda: (os.fstat(fd), os.write(fd, ending)),
        _CONTEXT: lambda: context_api.detach(context_api.attach(context_api.Context())),
    }


def _spans() -> Mapping[str, Callable[[], object]]:
    bare = provider(None).get_tracer("benchmarks")
    batched = provider(NullExporter()).get_tracer("benchmarks")

    def described(tracer: Tracer) -> None:
        span = tracer.start_span("run nightly", attributes=AT_START)
        span.set_attributes(AT_END)
        span.end()

    return {
        "SDK span, started and ended": lambda: bare.start_span("run nightly").end(),
        "the same with our attributes": lambda: described(bare),
        "SDK span with BatchSpanProcessor": lambda: batched.start_span("run nightly").end(),
        _EXPORTED: lambda: described(batched),
    }


def _handover(file: Path) -> Table:
    """Times a write beside threads that compute: each system call lets one of them have the interpreter."""
    fd = os.open(file, os.O_WRONLY | os.O_APPEND)
    over = threading.Event()

    def computes() -> None:
        while not over.is_set():
            sum(range(1000))

    alone = timed(lambda: os.write(fd, b"\n"), most=_HANDOVERS, for_s=2)
    threads = [threading.Thread(target=computes) for _ in range(_OTHERS)]
    for thread in threads:
        thread.start()
    beside = timed(lambda: os.write(fd, b"\n"), most=_HANDOVERS, for_s=5)
    over.set()
    for thread in threads:
        thread.join()
    os.close(fd)
    return Table(
        name="handover",
        title="One write(2), alone and beside threads of the same interpreter that compute",
        columns=(
            Column(title="", unit="text"),
            Column(title="p50", unit="us"),
            Column(title="p99", unit="us"),
            Column(title="mean", unit="us"),
            Column(title="writes timed", unit="count"),
        ),
        rows=tuple(
            (name, percentile(took, 50), percentile(took, 99), statistics.mean(took), len(took))
            for name, took in (("alone", alone), (f"beside {_OTHERS}", beside))
        ),
    )
