"""The parts of a run, each in a loop of its own, timed by pyperf: `python -m benchmarks.parts` with pyperf's options.

pyperf finds out how many loops a value needs, and times each part in several processes, alone.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from opentelemetry import context as context_api
from opentelemetry.trace import Tracer

from benchmarks.contenders.contender import TAGS, job
from benchmarks.contenders.libraries import library
from benchmarks.contenders.spans import AT_END, AT_START, NullExporter, provider
from otel_job_measure.points.outcome import ENDED, Ending
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.run_ids import new_run_id
from otel_job_measure.points.tags import DefaultTags

_UUID: Final = "23456789ABCD"
_TIME_NS: Final = 1_800_000_000_000_000_000
_JOB: Final = "the job, called"
_ID: Final = "the run's id"
_ROWS: Final = ("the start row, encoded", "the two rows of the end, encoded")
_APPENDS: Final = ("fstat and write, a start", "fstat and write, an end")
_CONTEXT: Final = "a context attached and detached"
_EXPORTED: Final = "SDK span with our attributes and BatchSpanProcessor"
OF_A_RUN: Final = (_JOB, _ID, *_ROWS, *_APPENDS)
"""What a run consists of in an app that doesn't trace."""
OF_A_TRACED_RUN: Final = (*OF_A_RUN, _CONTEXT, _EXPORTED)
"""And in one that exports its spans."""


def main() -> None:
    """Has pyperf time each part."""
    runner = library("pyperf").Runner()
    with tempfile.TemporaryDirectory() as folder:
        for name, part in {**_of_ours(Path(folder, "file")), **_of_the_sdk()}.items():
            runner.bench_func(name, part)


def _of_ours(file: Path) -> Mapping[str, Callable[[], object]]:
    series = Series("nightly", DefaultTags(**TAGS))
    line = start_line(series, _UUID, _TIME_NS)
    fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def endings() -> bytes:
        return ending_lines(
            series,
            Ending(
                uuid=_UUID,
                outcome=ENDED,
                end_ns=_TIME_NS,
                duration_s=0.000123,
                host="host",
                trace_id="0123456789abcdef0123456789abcdef",
                span_id="0123456789abcdef",
            ),
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


def _of_the_sdk() -> Mapping[str, Callable[[], object]]:
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


if __name__ == "__main__":
    main()
