"""The calculation beside what was measured."""

from typing import Final

from benchmarks.bench import Bench
from benchmarks.fleet import cases
from benchmarks.fleet.plan import DAY_S, FLEET, ROWS_A_RUN, Fleet, pairs
from benchmarks.tables import Cell, Column, Table
from otel_job_measure import names
from tests.support.influx import InfluxServer

_SMALL: Final = Fleet(hosts=20, jobs=30, runs_s=1, sites=2, endings=3)
_RUNS: Final = 50_000
_JOURNALS: Final = 2000
_IN_ONE: Final = 300
_WINDOW_US: Final = 10
_BIG_POST: Final = 5000
_CLIENTS: Final = 8
_CRON_S: Final = 1.0


def measured(bench: Bench, influx: InfluxServer) -> tuple[Table, ...]:
    """Measures the small cases and puts the calculation beside them.

    Args:
        bench: The folders.
        influx: A server of our own.
    """
    process = influx.process
    if process is None:
        raise RuntimeError("the server's folder must be seen")
    rows = cases.bytes_a_row(influx, bench.folder / "influxd", runs=_RUNS)
    return (_series(influx), _disk(rows), _ingest(bench, influx), _merged(bench), _agent(bench))


def _series(influx: InfluxServer) -> Table:
    plain = cases.cardinality(influx, jobs=_SMALL.jobs, sites=_SMALL.sites, hosts=0)
    tagged = cases.cardinality(influx, jobs=_SMALL.jobs, sites=_SMALL.sites, hosts=_SMALL.hosts)
    return Table(
        name="series",
        title="Series",
        columns=(
            Column(title="", unit="text"),
            Column(title="calculated", unit="count"),
            Column(title="measured", unit="count"),
        ),
        rows=(
            (f"{_SMALL.jobs} jobs at {_SMALL.sites} sites, 3 kinds of endings", _SMALL.series, plain),
            (f"the same with a host tag, {_SMALL.hosts} hosts", _SMALL.hosts * _SMALL.series, tagged),
            (f"the fleet: {FLEET.jobs:,} jobs at {FLEET.sites} sites, 3 kinds of endings", FLEET.series, None),
            (f"the fleet with a host tag, every job on all {FLEET.hosts:,} hosts", FLEET.host_series, None),
        ),
    )


def _disk(bytes_a_row: dict[str, float]) -> Table:
    counts = {names.POINTS: 2, names.RUNS: 1}
    rows: list[tuple[Cell, ...]] = [
        (name, each, counts[name], each * counts[name] * FLEET.runs_s * DAY_S / 2**30)
        for name, each in bytes_a_row.items()
    ]
    total = sum(each * counts[name] for name, each in bytes_a_row.items())
    rows.append(("a run", total, ROWS_A_RUN, total * FLEET.runs_s * DAY_S / 2**30))
    return Table(
        name="disk",
        title="What InfluxDB keeps on its disk",
        columns=(
            Column(title="", unit="text"),
            Column(title=f"bytes, measured with {_RUNS:,} runs", unit="number"),
            Column(title="rows a run", unit="count"),
            Column(title="GiB a day, the fleet", unit="number"),
        ),
        rows=tuple(rows),
    )


def _ingest(bench: Bench, influx: InfluxServer) -> Table:
    big = cases.ingest(bench, influx, rows_a_post=_BIG_POST, posts=40, clients=2)
    small = cases.ingest(bench, influx, rows_a_post=1, posts=4000, clients=_CLIENTS)
    needed = ROWS_A_RUN * FLEET.runs_s
    return Table(
        name="ingest",
        title="What InfluxDB takes",
        columns=(
            Column(title="", unit="text"),
            Column(title="rows, measured", unit="per second"),
            Column(title="rows, the fleet", unit="per second"),
            Column(title="servers of this size it takes", unit="number"),
        ),
        rows=(
            (f"in batches of {_BIG_POST:,}", big, needed, needed / big),
            (f"one in each request, {_CLIENTS} clients", small, needed, needed / small),
        ),
    )


def _merged(bench: Bench) -> Table:
    apart, expected = cases.collisions(bench, hosts=_JOURNALS, window_us=_WINDOW_US, shared=False)
    together, _ = cases.collisions(bench, hosts=_IN_ONE, window_us=_WINDOW_US, shared=True)
    at_once = pairs(FLEET.hosts, _CRON_S) * 24 * 60
    return Table(
        name="merged",
        title="Rows of one series with one time, of which InfluxDB keeps one",
        columns=(
            Column(title="", unit="text"),
            Column(title="pairs, calculated", unit="number"),
            Column(title="pairs, measured", unit="count"),
        ),
        rows=(
            (f"{_JOURNALS:,} hosts start one job within {_WINDOW_US} µs", expected, apart),
            (f"{_IN_ONE} processes of one host do", 0, together),
            ("the fleet, evenly, in a day", FLEET.merged_a_day(), None),
            (f"{FLEET.hosts:,} hosts start one job within {_CRON_S:g} s each minute, in a day", at_once, None),
            ("either, with a host tag", 0, None),
        ),
    )


def _agent(bench: Bench) -> Table:
    apart_s = 0.1
    found = cases.agent(bench, runs=60, apart_s=apart_s)
    runs_s = FLEET.runs_s / FLEET.hosts
    return Table(
        name="agent",
        title="What a host needs",
        columns=(
            Column(title="", unit="text"),
            Column(title=f"measured, a run each {apart_s:g} s", unit="number"),
            Column(title=f"the fleet, {runs_s:g} runs/s a host", unit="number"),
            Column(title="all hosts", unit="number"),
        ),
        rows=(
            (
                "requests, a second",
                found["requests"] / apart_s,
                found["requests"] * runs_s,
                found["requests"] * FLEET.runs_s,
            ),
            (
                "milliseconds of the processor, a second",
                1e3 * found["processor"] / apart_s,
                1e3 * found["processor"] * runs_s,
                None,
            ),
        ),
    )
