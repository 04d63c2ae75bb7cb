"""How soon a run that has started can be found in InfluxDB."""

import http.client
import json
import time
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from benchmarks.bench import Bench
from benchmarks.contenders.contender import JOB, TAGS, Where
from benchmarks.samples import percentile
from benchmarks.tables import Column, Part, Table, at_most
from otel_job_measure import JobMeasure

_RUNS: Final = 200
_WARM_UP: Final = 5
_IDLE_S: Final = 0.05
_LONGEST_S: Final = 10.0
_P50_NS: Final = 20_000_000
_P99_NS: Final = 250_000_000


def measure(bench: Bench) -> Part:
    """Starts single runs in an idle process and asks InfluxDB for each until it is there.

    Args:
        bench: The servers; without an InfluxDB there is nothing to ask.
    """
    if bench.influx is None:
        return Part()
    took_ns = _took_ns(bench.to_influx(bench.influx))
    p50, p99 = percentile(took_ns, 50), percentile(took_ns, 99)
    table = Table(
        name="visible",
        title="From the start of a run to its row in a query, the process idle before",
        columns=(
            Column(title="p50", unit="ms"),
            Column(title="p99", unit="ms"),
            Column(title="longest", unit="ms"),
            Column(title="runs", unit="count"),
        ),
        rows=((p50, p99, max(took_ns), len(took_ns)),),
        note="It includes the query that finds it.",
    )
    return Part(
        tables=(table,),
        verdicts=(
            at_most("start of a run to queryable, p50", p50, _P50_NS, "ms"),
            at_most("start of a run to queryable, p99", p99, _P99_NS, "ms"),
        ),
    )


def _took_ns(where: Where) -> list[int]:
    measure = JobMeasure(
        influxdb_url=where.server,
        influxdb_token=where.token,
        influxdb_org=where.org,
        influxdb_bucket=where.bucket,
        state_dir=where.folder / "state",
        **TAGS,
    )
    connection = http.client.HTTPConnection(urlsplit(where.server).netloc, timeout=_LONGEST_S)
    took_ns: list[int] = []
    try:
        for _ in range(_WARM_UP + _RUNS):
            measure.flush(_LONGEST_S)
            time.sleep(_IDLE_S)
            began = time.perf_counter_ns()
            with measure.run(JOB) as run:
                _wait_for(connection, where, run.uuid)
                took_ns.append(time.perf_counter_ns() - began)
    finally:
        measure.close()
        connection.close()
    return took_ns[_WARM_UP:]


def _wait_for(connection: http.client.HTTPConnection, where: Where, uuid: str) -> None:
    query = f'SELECT "status" FROM "scheduling-job" WHERE "uuid" = \'{uuid}\' AND time > now() - 1m'  # noqa: S608 - a uuid of ours
    path = "/query?" + urlencode({"db": where.bucket, "q": query}, quote_via=quote)
    ends_s = time.monotonic() + _LONGEST_S
    while time.monotonic() < ends_s:
        connection.request("GET", path, headers={"Authorization": f"Token {where.token}"})
        if json.loads(connection.getresponse().read())["results"][0].get("series"):
            return
    raise RuntimeError(f"run {uuid} is not in InfluxDB after {_LONGEST_S:g} s")
