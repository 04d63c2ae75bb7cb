"""A process that counts what it does: `python -m tests.guard.counting WHAT STATE_DIR` prints the counts as JSON."""

import gc
import json
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import otel_job_measure
from otel_job_measure import JobMeasure, JobSpanProcessor

_PACKAGE: Final = str(Path(otel_job_measure.__file__).parent)
_TIMES: Final = 20
_MANY: Final = 500


class Nowhere(SpanExporter):
    """Takes spans and does nothing with them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Takes them."""
        return SpanExportResult.SUCCESS


def lines_of(step: Callable[[], None]) -> int:
    """Returns how many lines of the package one step executes in this thread, at least."""
    count = 0

    def each_line(_frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401 - itself
        nonlocal count
        count += event == "line"
        return each_line

    def each_call(frame: FrameType, _event: str, _argument: object) -> Any:  # noqa: ANN401 - a function like this
        return each_line if frame.f_code.co_filename.startswith(_PACKAGE) else None

    def once() -> int:
        nonlocal count
        count = 0
        sys.settrace(each_call)
        step()
        sys.settrace(None)
        return count

    return min(once() for _ in range(_TIMES))


def system_calls_of(step: Callable[[], None]) -> dict[str, int]:
    """Returns which functions of the system the package calls in one step in this thread, and how often."""
    calls = Counter[str]()

    def each_call(frame: FrameType, event: str, argument: Any) -> None:  # noqa: ANN401 - a built-in function
        ours = frame.f_code.co_filename.startswith(_PACKAGE)
        if event == "c_call" and ours and getattr(argument, "__module__", None) == "posix":
            calls[argument.__name__] += 1

    def once() -> dict[str, int]:
        calls.clear()
        sys.setprofile(each_call)
        step()
        sys.setprofile(None)
        return dict(calls)

    return min((once() for _ in range(_TIMES)), key=lambda found: sum(found.values()))


def kernel_calls_of(step: Callable[[], None]) -> tuple[int, int] | None:
    """Returns how often this thread reads and writes in one step, as the kernel has it; None where it doesn't tell."""
    told = Path("/proc/thread-self/io")

    def now() -> list[int]:
        values = dict(entry.split(": ") for entry in told.read_text().splitlines())
        return [int(values["syscr"]), int(values["syscw"])]

    if not told.exists():
        return None
    before, after = now(), now()
    ours = after[0] - before[0]  # what looking costs
    before = now()
    for _ in range(_TIMES):
        step()
    after = now()
    return (after[0] - before[0] - ours) // _TIMES, (after[1] - before[1]) // _TIMES


def retained_by(step: Callable[[], None], settle: Callable[[], None]) -> float:
    """Returns how many blocks of memory one step leaves behind, on the average of many; at least.

    Another thread may be at work at the moment at which the blocks are counted.
    """

    def blocks() -> int:
        settle()
        gc.collect()
        return sys.getallocatedblocks()

    def of_many() -> float:
        before = blocks()
        for _ in range(_MANY):
            step()
        return (blocks() - before) / _MANY

    return min(of_many() for _ in range(3))


def peak_of(step: Callable[[], None]) -> int:
    """Returns how many bytes one step needs at once, at least."""

    def once() -> int:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        step()
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    peak = min(once() for _ in range(_TIMES))
    tracemalloc.stop()
    return peak


def main(what: str, state_dir: str) -> None:
    """Counts what a run costs, or a span that is none.

    Args:
        what: `plain`, `traced` or `other`.
        state_dir: Where the points go.
    """
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    traced = None if what == "plain" else provider
    measure = JobMeasure(state_dir=state_dir, ship=False, tracer_provider=traced)
    tracer = provider.get_tracer("app")
    if what == "other":
        provider.add_span_processor(JobSpanProcessor(measure=measure))

    def run() -> None:
        with measure.run("nightly"):
            pass

    def span() -> None:
        tracer.start_span("GET /", attributes={"http.request.method": "GET"}).end()

    def settle() -> None:
        provider.force_flush()
        handle = measure.pipeline.journal._life.handle
        if handle is not None:
            handle.clock._claims.clear()  # times that may come again within a second

    step = span if what == "other" else run
    for _ in range(50):
        step()
    gc.disable()
    found = {
        "lines": lines_of(step),
        "calls": system_calls_of(step),
        "kernel": kernel_calls_of(step),
        "retained": retained_by(step, settle),
        "peak": peak_of(step),
    }
    print(json.dumps(found))  # noqa: T201 - for the test that has started this


if __name__ == "__main__":
    main(*sys.argv[1:])
