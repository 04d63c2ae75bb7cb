"""What 100,000 runs cost InfluxDB, as our rows and as influxdbexporter's: python -m tests.collector.series."""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.influx import InfluxServer, fresh_server
from tests.support.influxd import binary_path

RUNS, BATCH, JOBS = 100_000, 5_000, 20
BEGAN_NS = time.time_ns() - RUNS * 1_000_000


def ours(run: int) -> str:
    """Writes the three rows of a run."""
    tags, uuid, time_ns = f"job=job{run % JOBS},datacenter=fra,project=shop,stage=test", f'"{run:012d}"', _time(run)
    more = f'duration=1.5,host="web-1",span_id="{run:016x}",success=1.0,trace_id="{run:032x}"'
    return (
        f'scheduling-job,{tags} status="start",uuid={uuid} {time_ns}\n'
        f'scheduling-job,{tags} status="end",uuid={uuid} {time_ns + 500}\n'
        f"scheduling-job-run,{tags},status=end {more},uuid={uuid} {time_ns + 500}"
    )


def exporters(run: int) -> str:
    """Writes the row of a run's span as influxdbexporter does."""
    tags = f"scheduling.job.name=job{run % JOBS},span_id={run:016x},trace_id={run:032x}"
    more = f'duration_nano=1500000000i,end_time_unix_nano={_time(run)}i,span.kind="Internal",span.name="run job"'
    return f'spans,{tags} attributes="{{}}",{more} {_time(run)}'


def written(server: InfluxServer, row: Callable[[int], str]) -> int:
    """Writes all runs into a new bucket and returns how many series it has."""
    bucket = server.new_bucket()
    for first in range(0, RUNS, BATCH):
        server.write("\n".join(map(row, range(first, first + BATCH))), bucket)
    query = f'import "influxdata/influxdb"\ninfluxdb.cardinality(bucket: "{bucket}", start: 1970-01-01T00:00:00Z)'
    return int(str(server.flux(query)[0]["_value"]))


def memory_mib(server: InfluxServer) -> int:
    """Returns what the server holds in memory."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def _time(run: int) -> int:
    return BEGAN_NS + run * 1_000_000


def main() -> None:
    """Measures both, each with a server of its own."""
    for name, row in {"ours": ours, "influxdbexporter": exporters}.items():
        with tempfile.TemporaryDirectory() as folder, fresh_server(binary_path(os.environ), Path(folder)) as server:
            before = memory_mib(server)
            series = written(server, row)
            sys.stdout.write(f"{name}: {series} series, {memory_mib(server) - before} MiB of memory more\n")


if __name__ == "__main__":
    main()
