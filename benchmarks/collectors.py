"""What each program of docs/fleet.md costs: python -m benchmarks.collectors [RUNS].

Requests as `ship` makes them go to the intake, and the CPU time of each program is read when InfluxDB has all rows.
"""

import os
import ssl
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from otel_job_measure.delivery.otlp.log_records import encode, record_of
from otel_job_measure.points.outcome import ENDED, Ending
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from tests.collector.fleet import TOKEN, Fleet, started
from tests.delivery.support import CA_FILE
from tests.support.influx import InfluxServer, fresh_server
from tests.support.influxd import binary_path

RUNS: Final = 30_000
JOBS: Final = 1000
A_REQUEST: Final = 300  # runs
PATIENCE_S: Final = 600.0
FLEET_ROWS: Final = 30_000  # rows per second of 10,000 runs
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def lines(run: int, base_ns: int) -> list[bytes]:
    """Returns the three rows of a run."""
    series = Series(f"job{run % JOBS}", DefaultTags(datacenter="fra", project="shop", stage="live"))
    at_ns = base_ns + run * 10_000
    ending = Ending(uuid=f"{run:012d}", outcome=ENDED, end_ns=at_ns + 5000, duration_s=1.0, host="web-0001")
    both = start_line(series, ending.uuid, at_ns) + ending_lines(series, ending, run_row=True, error_message=False)
    return both.splitlines(keepends=True)


def requests(runs: int) -> Iterator[bytes]:
    """Makes the bodies of requests."""
    base_ns = time.time_ns() - 3600 * 10**9
    for first in range(0, runs, A_REQUEST):
        some = range(first, min(runs, first + A_REQUEST))
        yield encode([record_of(line) for run in some for line in lines(run, base_ns)])


def send(fleet: Fleet, bodies: list[bytes]) -> float:
    """Posts all bodies, one after the other, and returns the seconds until all are confirmed."""
    context = ssl.create_default_context(cafile=str(CA_FILE))
    url = fleet.intake.http.replace("http://127.0.0.1", "https://localhost") + "/v1/logs"
    headers = {"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {TOKEN}"}
    began_s = time.monotonic()
    for body in bodies:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), context=context) as answer:
            answer.read()
    return time.monotonic() - began_s


def cpu_s(pid: int) -> float:
    """Returns the CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def size(folder: Path) -> int:
    """Returns how many bytes the files of a folder have on the disk."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def rows_in(influx: InfluxServer, bucket: str) -> int:
    """Counts the rows of a bucket."""
    counted = 'from(bucket: "' + bucket + '") |> range(start: -1d) |> filter(fn: (r) => r._field == "uuid")'
    return sum(int(str(row["_value"])) for row in influx.flux(counted + " |> count()"))


def main() -> None:
    """Measures, and prints the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with (
        tempfile.TemporaryDirectory() as name,
        fresh_server(binary_path(os.environ), Path(name)) as influx,
        ExitStack() as ending,
    ):
        folder, bucket = Path(name), influx.new_bucket()
        fleet = started(influx, bucket, folder, ending, os.environ)
        bodies = list(requests(runs))
        assert influx.process is not None
        pids = {"intake": fleet.intake.pid, "Kafka": fleet.kafka.pid, "drain": fleet.drain.pid}
        pids |= {"Telegraf": fleet.telegraf.pid, "InfluxDB": influx.process.pid}
        before = {program: cpu_s(pid) for program, pid in pids.items()}
        confirmed_s = send(fleet, bodies)
        over_s = time.monotonic() + PATIENCE_S
        while rows_in(influx, bucket) < 3 * runs:
            if time.monotonic() > over_s:
                raise RuntimeError("not all rows have come")
            time.sleep(0.5)
        sys.stdout.write(f"{3 * runs} rows, {len(bodies)} requests; confirmed at {3 * runs / confirmed_s:.0f} rows/s\n")
        sys.stdout.write(f"Kafka's disk: {size(folder / 'kafka' / 'data') / (3 * runs):.0f} bytes a row\n")
        sys.stdout.write(f"{'':10}{'rows/CPU s':>12}{'cores for the fleet':>22}\n")
        for program, pid in pids.items():
            rate = 3 * runs / (cpu_s(pid) - before[program])
            sys.stdout.write(f"{program:10}{rate:12.0f}{FLEET_ROWS / rate:22.1f}\n")


if __name__ == "__main__":
    main()
