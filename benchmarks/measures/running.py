"""What runs now, and a check, asked of a real InfluxDB that holds many runs."""

import time
from collections.abc import Callable
from statistics import median
from typing import Final

from benchmarks.bench import Bench
from benchmarks.stored import lines
from benchmarks.tables import Cell, Column, Part, Table, Verdict, at_most
from otel_job_measure.insight.absence import Evidence
from otel_job_measure.insight.check import checked
from otel_job_measure.insight.influxdb.ask import Ask
from otel_job_measure.insight.influxdb.connection import Connection
from otel_job_measure.insight.influxdb.flux import Flux
from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.insight.run_store import ALL, Wanted
from otel_job_measure.settings import Settings
from otel_job_measure.testing import ManualClock
from tests.support.influx import InfluxServer

_S: Final = 10**9
_DAY_NS: Final = 86_400 * _S
_JOBS: Final = 300
_TIMES: Final = 5
_MOST_RUNNING_S: Final = 0.2
_MOST_CHECK_S: Final = 10.0
_PIVOT: Final = """
from(bucket: "{bucket}")
    |> range(start: -{days}d)
    |> filter(fn: (r) => r._measurement == "scheduling-job")
    |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
    |> pivot(rowKey: ["uuid"], columnKey: ["status"], valueColumn: "_time")
    |> filter(fn: (r) => not exists r.end and not exists r.failed)
    |> keep(columns: ["job", "uuid", "start"])
"""


def measure(bench: Bench) -> Part:
    """Fills two buckets and asks.

    Args:
        bench: The server; without one, nothing is measured.
    """
    if bench.influx is None:
        return Part()
    tenth = 10 if bench.quick else 1
    running, ran = _running(bench.influx, 800_000 // tenth, 7)
    checking, took = _checking(bench.influx, 100_000 // tenth, 2)
    return Part(tables=(running, checking), verdicts=(ran, took))


def _running(influx: InfluxServer, runs: int, days: int) -> tuple[Table, Verdict]:
    store, bucket, _ = _filled(influx, runs, days)
    settings = Settings(**influx.arguments(bucket), timeout_s=600)
    nothing = Ask(measurements=("nothing",), since_ns=time.time_ns() - 60 * _S)
    language = Flux(Connection(settings))
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "what runs now, and for how long": (lambda: store.open_runs(ALL), _TIMES),
        "an empty answer": (lambda: list(language.tables(nothing)), _TIMES),
        "what runs now, by two pivots": (lambda: influx.flux(_PIVOT.format(bucket=bucket, days=days)), 1),
    }
    found = {name: [_took_s(ask) for _ in range(times)] for name, (ask, times) in ways.items()}
    rows: tuple[tuple[Cell, ...], ...] = tuple((name, median(took), min(took)) for name, took in found.items())
    table = Table(
        name="running",
        title=f"What runs now, asked of InfluxDB {influx.version}: {runs:,} runs and {_JOBS} jobs in {days} days",
        columns=(
            Column(title="", unit="text"),
            Column(title="median", unit="s"),
            Column(title="least", unit="s"),
        ),
        rows=rows,
        note=f"{len(store.open_runs(ALL))} runs are open.",
    )
    took_s = median(found["what runs now, and for how long"])
    return table, at_most(f"what runs now, from InfluxDB over {runs:,} runs", took_s, _MOST_RUNNING_S, "s")


def _checking(influx: InfluxServer, runs: int, days: int) -> tuple[Table, Verdict]:
    store, _, now_ns = _filled(influx, runs, days)
    since = Wanted(since_ns=now_ns - days * _DAY_NS)
    ways: dict[str, Callable[[], object]] = {
        "a check of all jobs": lambda: checked(store, Evidence(now_ns=now_ns)),
        "all runs in the order of their starts": lambda: sum(1 for _ in store.starts(since)),
        "a summary of each job": lambda: store.summaries(since),
        "failures by job and reason": lambda: store.failures(since),
        "the number of runs": lambda: store.count(since),
        "the last run and success of each job": lambda: store.last_runs(ALL),
        "the latest 20 runs": lambda: store.latest(ALL, 20),
    }
    took = {name: _took_s(ask) for name, ask in ways.items()}
    table = Table(
        name="asked-influxdb",
        title=f"Questions to InfluxDB {influx.version}: {runs:,} runs and {_JOBS} jobs in {days} days",
        columns=(
            Column(title="", unit="text"),
            Column(title="took", unit="s"),
            Column(title="runs", unit="per second"),
        ),
        rows=tuple((name, took_s, runs / took_s) for name, took_s in took.items()),
    )
    verdict = at_most(f"a check from InfluxDB over {runs:,} runs", took["a check of all jobs"], _MOST_CHECK_S, "s")
    return table, verdict


def _filled(influx: InfluxServer, runs: int, days: int) -> tuple[InfluxStore, str, int]:
    """Returns a store over a new bucket with runs, at the time when the last of them began."""
    bucket, now_ns = influx.new_bucket(), time.time_ns()
    for some in lines(runs, _JOBS, days, now_ns):
        influx.write(some, bucket)
    settings = Settings(**influx.arguments(bucket), timeout_s=600)
    return InfluxStore(settings, ManualClock(wall=now_ns)), bucket, now_ns


def _took_s(ask: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    ask()
    return time.perf_counter() - began_s
