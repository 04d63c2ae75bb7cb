"""Whether a run costs more after many others, or while many wait."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.backlog import leave
from benchmarks.bench import Bench
from benchmarks.contenders.contender import Where
from benchmarks.interleaved import Child, Turns, started
from benchmarks.samples import Samples
from benchmarks.tables import Column, Part, Table, at_most
from otel_job_measure.settings import Settings

_DELIVERING: Final = "ours, delivering"
_DOWN: Final = "ours, server down"
_TURNS: Final = Turns(rounds=30, most=4000, for_s=0.08)
_AGED: Final = 100_000
_AGED_LONG: Final = 10_000_000
_AT_A_TIME: Final = Turns(rounds=1, most=100_000, for_s=60)
_BACKLOG: Final = 1_000_000
_SEGMENT: Final = 20_000
_MOST: Final = 1.1
# Nobody listens there: the port of a protocol that nobody speaks any more.
_NOBODY: Final = "http://127.0.0.1:9"


def measure(bench: Bench) -> Part:
    """Times runs of an old process beside those of a new one, and with a backlog beside those without.

    Args:
        bench: The servers.
    """
    aged = _AGED_LONG if bench.long else _AGED
    places = {
        f"{_DELIVERING}/new": bench.to(bench.at_once),
        f"{_DELIVERING}/after {aged:,} runs": bench.to(bench.at_once),
        f"{_DOWN}/with the server down": replace(bench.nowhere(), url=_NOBODY),
        f"{_DOWN}/with {_BACKLOG:,} runs waiting for it": _with_backlog(replace(bench.nowhere(), url=_NOBODY)),
    }
    new, old, without, with_backlog = places
    samples = _samples(places, old, aged)
    pairs = ((old, new), (with_backlog, without))
    verdicts = tuple(
        at_most(f"cost of a run, {_said(name)}", samples[name].times(samples[other], 50), _MOST, "times")
        for name, other in pairs
    )
    return Part(tables=(_table(samples, pairs),), verdicts=verdicts)


def _samples(places: Mapping[str, Where], old: str, aged: int) -> dict[str, Samples]:
    samples = {name: Samples() for name in places}
    with started(places) as children:
        _age(children[old], aged)
        for warm_up in (True, *[False] * _TURNS.rounds):
            for name, child in children.items():
                took = child.turn(_TURNS)
                if not warm_up:
                    samples[name].rounds.append(took)
    return samples


def _table(samples: Mapping[str, Samples], pairs: Sequence[tuple[str, str]]) -> Table:
    return Table(
        name="long-life",
        title="A run of a process that is no longer young, and with a backlog",
        columns=(
            Column(title="", unit="text"),
            Column(title="p50", unit="us"),
            Column(title="p99", unit="us"),
            Column(title="against", unit="text"),
            Column(title="its p50", unit="us"),
            Column(title="p50 / p50", unit="times"),
        ),
        rows=tuple(
            (
                _said(name),
                samples[name].at(50),
                samples[name].at(99),
                _said(other),
                samples[other].at(50),
                samples[name].times(samples[other], 50),
            )
            for name, other in pairs
        ),
    )


def _said(name: str) -> str:
    return name.partition("/")[2]


def _age(child: Child, runs: int) -> None:
    left = runs
    while left > 0:
        left -= len(child.turn(_AT_A_TIME))


def _with_backlog(where: Where) -> Where:
    settings = Settings(
        influxdb_url=where.server,
        influxdb_token=where.token,
        influxdb_org=where.org,
        influxdb_bucket=where.bucket,
        state_dir=where.folder / "state",
    )
    leave(settings, runs=_BACKLOG, runs_a_segment=_SEGMENT)
    return where
