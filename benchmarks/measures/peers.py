"""How long a job waits for its measurement, with everything else that one could use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.bench import Bench
from benchmarks.contenders.contender import Where
from benchmarks.contenders.node import NODE, has_node
from benchmarks.interleaved import Turns, interleaved
from benchmarks.samples import Samples
from benchmarks.tables import Cell, Column, Part, Table, Verdict, at_least, at_most

OURS: Final = "ours"
BATCHING: Final = "influxdb-client, batching"
_TO_INFLUX: Final = (
    NODE,
    "influxdb-client, synchronous",
    BATCHING,
    OURS,
    "ours, in memory",
    "ours, CONFIRM_START=server",
)
_ELSEWHERE: Final = (
    "sentry-sdk monitor",
    "healthchecks-style pings",
    "OpenTelemetry metrics",
    "span + BatchSpanProcessor + OTLP",
    "ours + BatchSpanProcessor + OTLP",
)
_ALONE: Final = ("cronwatch-sdk (SQLite)",)
_FAST = Turns(rounds=4, most=4000, for_s=0.3)
_SLOW = Turns(rounds=4, most=4000, for_s=0.4)
_ON_SERVER = 50.0
_WITH_LATENCY = 800.0
_NO_SLOWER = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """One server and the programs that write to it.

    Args:
        title: What the server is called.
        contenders: The programs that write to it.
        turns: How they take turns.
    """

    title: str
    contenders: Mapping[str, Where]
    turns: Turns


def measure(bench: Bench) -> Part:
    """Times each contender with each server that it can talk to.

    Args:
        bench: The servers.
    """
    groups = _groups(bench)
    samples = {group.title: interleaved(group.contenders, group.turns) for group in groups}
    names = [name for name in (*_TO_INFLUX, *_ELSEWHERE, *_ALONE) if any(name in found for found in samples.values())]
    table = Table(
        name="peers",
        title="How long a job waits for its measurement",
        columns=(
            Column(title="", unit="text"),
            *(Column(title=f"{group.title}, {percent}", unit="us") for group in groups for percent in ("p50", "p99")),
        ),
        rows=tuple((name, *_cells(name, [samples[group.title] for group in groups])) for name in names),
    )
    return Part(tables=(table,), verdicts=tuple(_verdicts(samples)))


def _groups(bench: Bench) -> list[_Group]:
    to_influx = [name for name in _TO_INFLUX if name != NODE or has_node()]
    both = (*to_influx, *_ELSEWHERE)
    at_once = {name: bench.to(bench.at_once) for name in both} | {name: bench.nowhere() for name in _ALONE}
    groups = [_Group(title="a stub", contenders=at_once, turns=_FAST)]
    if (influx := bench.influx) is not None:
        contenders = {name: bench.to_influx(influx) for name in to_influx}
        groups.append(_Group(title="InfluxDB", contenders=contenders, turns=_FAST))
    slow = {name: bench.to(bench.slow) for name in both}
    return [*groups, _Group(title="20 ms away", contenders=slow, turns=_SLOW)]


def _cells(name: str, found: list[dict[str, Samples]]) -> list[Cell]:
    return [samples[name].at(percent) if name in samples else None for samples in found for percent in (50, 99)]


def _verdicts(samples: Mapping[str, Mapping[str, Samples]]) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for title, what, bound in (
        ("InfluxDB", "on the real server", _ON_SERVER),
        ("20 ms away", "with 20 ms of latency", _WITH_LATENCY),
    ):
        found = samples.get(title, {})
        if NODE in found:
            times = found[NODE].times(found[OURS], 50)
            verdicts.append(at_least(f"less waiting than the original's way {what}", times, bound, "times"))
    for title, found in samples.items():
        times = found[OURS].times(found[BATCHING], 50)
        verdicts.append(at_most(f"against influxdb-client's batching writer ({title})", times, _NO_SLOWER, "times"))
    return verdicts
