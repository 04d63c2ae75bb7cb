"""A child process that says how much memory our part of it takes: `python -m benchmarks.footprint '{settings}' RUNS`.

Nothing of this package is loaded before the first look, nor any contender, which would bring it: what its import takes
is a part of it.
"""

import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

_SPANS = 3000
_PAGE = 4096
_OURS = "otel_job_measure"


class _Nobody(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        del spans
        return SpanExportResult.SUCCESS


def main() -> None:
    """Makes spans as an app does, then measures jobs, and looks at its memory before and after."""
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(_Nobody()))
    tracer = made.get_tracer("app")
    for _ in range(_SPANS):
        with tracer.start_as_current_span("work"):
            pass
    made.force_flush()
    if _OURS in sys.modules:
        raise RuntimeError(f"{_OURS} is loaded already: what it takes to import would be left out")
    before = _resident()
    _forget_peak()
    from otel_job_measure import JobMeasure  # noqa: PLC0415 - what it brings is what is measured

    measure = JobMeasure(tracer_provider=made, **json.loads(sys.argv[1]))
    measured = measure.job("nightly")(int)
    begun = _resident() - before
    for _ in range(int(sys.argv[2])):
        measured()
    measure.flush(60)
    print(json.dumps({"begun": begun, "resident": _resident() - before, "peak": _peak() - before}))
    measure.close()
    made.shutdown()


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the system doesn't tell the peak of this process's memory")


if __name__ == "__main__":
    main()
