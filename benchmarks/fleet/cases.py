"""The small cases, measured."""

import http.client
import os
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlencode, urlsplit

from benchmarks.backlog import lines
from benchmarks.bench import Bench
from benchmarks.contenders.contender import JOB, TAGS, job
from benchmarks.fleet.plan import pairs
from benchmarks.stub import stub
from otel_job_measure import JobMeasure, names
from otel_job_measure.points.outcome import ENDED, Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.run_ids import new_run_id
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.runtime.pipeline import Pipeline
from otel_job_measure.settings import Settings
from otel_job_measure.testing import ManualClock
from tests.support.influx import InfluxServer

_START_NS: Final = 1_700_000_000_000_000_000
_NO_CONTENT: Final = 204
COLD: Final = "INFLUXD_STORAGE_CACHE_SNAPSHOT_WRITE_COLD_DURATION"
"""How soon the server writes what it has in memory to where it stays; set before it starts."""


def cardinality(influx: InfluxServer, *, jobs: int, sites: int, hosts: int) -> int:
    """Writes one run of each job at each site that ended, one that raised and one that was lost, and counts.

    Args:
        influx: The server.
        jobs: How many jobs.
        sites: How many datacenters.
        hosts: How many hosts, as a tag; 0 for no such tag.

    Returns:
        The series that InfluxDB has.
    """
    bucket = influx.new_bucket()
    outcomes = (ENDED, Outcome(reason="error"), Outcome(reason="lost"))
    for host in range(max(1, hosts)):
        more = (("host.name", f"host-{host}"),) if hosts else ()
        text = b"".join(
            _run(Series(f"job-{number}", DefaultTags(datacenter=f"dc-{site}", more=more)), _START_NS, outcome)
            for number in range(jobs)
            for site in range(sites)
            for outcome in outcomes
        )
        influx.write(text, bucket)
    query = f'import "influxdata/influxdb"\ninfluxdb.cardinality(bucket: "{bucket}", start: 2020-01-01T00:00:00Z)'
    return sum(int(cast("int", row["_value"])) for row in influx.flux(query))


def bytes_a_row(influx: InfluxServer, folder: Path, *, runs: int) -> dict[str, float]:
    """Writes the rows of each measurement into a bucket of its own, and looks at what is on the disk.

    Args:
        influx: The server.
        folder: Its folder.
        runs: How many runs.

    Returns:
        Bytes of a row, by measurement.
    """
    found: dict[str, float] = {}
    for measurement in (names.POINTS, names.RUNS):
        bucket = influx.new_bucket()
        start = f"{measurement},".encode()
        text = [
            line for run in lines("host-0001", runs) for line in run.splitlines(keepends=True) if line.startswith(start)
        ]
        for at in range(0, len(text), 5000):
            influx.write(b"".join(text[at : at + 5000]), bucket)
        [known] = influx.flux(f'buckets() |> filter(fn: (r) => r.name == "{bucket}")')
        found[measurement] = settled(folder / "engine" / "data" / str(known["id"])) / len(text)
    return found


def ingest(bench: Bench, influx: InfluxServer, *, rows_a_post: int, posts: int, clients: int) -> float:
    """Posts rows as fast as the server takes them.

    Args:
        bench: The folders.
        influx: The server.
        rows_a_post: How many rows each request has.
        posts: How many requests in all.
        clients: How many clients post at once.

    Returns:
        Rows a second.
    """
    where = bench.to_influx(influx)
    rows = (line for run in lines("host-0001", rows_a_post * posts) for line in run.splitlines(keepends=True))
    bodies = [b"".join(islice(rows, rows_a_post)) for _ in range(posts)]
    path = "/api/v2/write?" + urlencode({"org": where.org, "bucket": where.bucket, "precision": "ns"})

    def client(own: list[bytes]) -> None:
        connection = http.client.HTTPConnection(urlsplit(where.server).netloc, timeout=60)
        for body in own:
            connection.request("POST", path, body, {"Authorization": f"Token {where.token}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != _NO_CONTENT:
                raise RuntimeError(f"InfluxDB answered {answer.status}")
        connection.close()

    began_s = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, [bodies[number::clients] for number in range(clients)]))
    return rows_a_post * posts / (time.perf_counter() - began_s)


def collisions(bench: Bench, *, hosts: int, window_us: int, shared: bool) -> tuple[int, float]:
    """Lets journals give times within one window, and counts the pairs that are equal.

    Args:
        bench: The folders.
        hosts: How many journals.
        window_us: The window.
        shared: Whether they share one state directory, as the processes of one host do.

    Returns:
        The pairs that were found, and those that the calculation expects of different hosts.
    """
    chance = random.Random(4)  # noqa: S311 - no secret
    clock = ManualClock(wall=_START_NS)
    common = bench.new_folder()
    given: Counter[int] = Counter()
    engines: list[Pipeline] = []
    for number in range(hosts):
        clock.wall = _START_NS + chance.randrange(window_us) * 1000
        folder = common / ("one" if shared else str(number))
        engine = Pipeline(Settings(state_dir=folder, ship=False), ships=False, clock=clock)
        given[engine.journal.stamp()] += 1
        if shared:
            engines.append(engine)  # its process lives on
        else:
            engine.close(0)
    for engine in engines:
        engine.close(0)
    found = sum(count * (count - 1) // 2 for count in given.values())
    return found, pairs(hosts, window_us / 1e6)


def agent(bench: Bench, *, runs: int, apart_s: float) -> dict[str, float]:
    """Lets one process measure runs at a slow pace and deliver them.

    Args:
        bench: The folders.
        runs: How many runs.
        apart_s: How long one begins after another, in seconds.

    Returns:
        Requests a run, seconds of the processor a run.
    """
    with stub(records=True) as server:
        where = bench.to(server)
        measure = JobMeasure(
            influxdb_url=where.server,
            influxdb_token=where.token,
            influxdb_org=where.org,
            influxdb_bucket=where.bucket,
            state_dir=where.folder / "state",
            **TAGS,
        )
        measured = measure.job(JOB)(job)
        measured()
        measure.flush(10)
        server.seen()
        began_s = time.process_time()
        for _ in range(runs):
            measured()
            time.sleep(apart_s)
        used_s = time.process_time() - began_s
        measure.flush(10)
        requests = len(server.seen())
        measure.close()
    return {"requests": requests / runs, "processor": used_s / runs}


@contextmanager
def many_files() -> Generator[None]:
    """Lets this process open as many files as it may."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _run(series: Series, start_ns: int, outcome: Outcome) -> bytes:
    uuid = new_run_id()
    return start_line(series, uuid, start_ns) + ending_lines(
        series,
        Ending(
            uuid=uuid,
            outcome=outcome,
            end_ns=start_ns + 1000,
            duration_s=1e-6,
            host="host",
            trace_id="0" * 31 + "1",
            span_id="0" * 15 + "1",
        ),
        run_row=True,
        error_message=True,
    )


def settled(folder: Path) -> int:
    """Waits until the server has written everything to where it stays, and returns the bytes.

    Args:
        folder: The bucket's folder.
    """
    wal = folder.parents[1] / "wal" / folder.name
    _until(lambda: not any(file.stat().st_size for file in _files(wal)) and any(_files(folder)))
    return sum(file.stat().st_size for file in _files(folder) if file.suffix == ".tsm")


def _files(folder: Path) -> list[Path]:
    return [Path(at) / name for at, _, found in os.walk(folder) for name in found]


def _until(done: Callable[[], Any]) -> None:
    ends_s = time.monotonic() + 120
    while time.monotonic() < ends_s:
        with suppress(FileNotFoundError):  # the server tidies up
            if done():
                return
        time.sleep(0.5)
    raise RuntimeError("InfluxDB has not written everything to where it stays in two minutes")
