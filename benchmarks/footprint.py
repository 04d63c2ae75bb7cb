"""A child process that says how much memory our part of it takes: `python -m benchmarks.footprint '{where}'`."""

import gc
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.contenders.contender import JOB, TAGS, Where, job
from benchmarks.contenders.spans import NullExporter, provider

_SPANS = 3000
_PAGE = 4096


def main() -> None:
    """Makes spans as an app does, then measures jobs, and looks at its memory before and after."""
    where = Where.from_object(json.loads(sys.argv[1]))
    made = provider(NullExporter())
    tracer = made.get_tracer("app")
    for _ in range(_SPANS):
        with tracer.start_as_current_span("work"):
            pass
    made.force_flush()
    before = _resident()
    _forget_peak()
    from otel_job_measure import JobMeasure  # noqa: PLC0415 - what it brings is what is measured

    settings: dict[str, Any] = {"ship": False} if where.url is None else _destination(where)
    measure = JobMeasure(tracer_provider=made, state_dir=where.folder / "state", **TAGS, **settings)
    measured = measure.job(JOB)(job)
    for _ in range(int(sys.argv[2])):
        measured()
    measure.flush(60)
    print(json.dumps({"resident": _resident() - before, "peak": _peak() - before}))
    measure.close()
    made.shutdown()


def _destination(where: Where) -> dict[str, Any]:
    return {
        "influxdb_url": where.server,
        "influxdb_token": where.token,
        "influxdb_org": where.org,
        "influxdb_bucket": where.bucket,
    }


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
