"""Whether a run costs more after many others, or while many wait."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.backlog import CHUNK, MOST
from benchmarks.bench import Bench
from benchmarks.contenders.contender import Where
from benchmarks.interleaved import Turns, by_turns, started
from benchmarks.samples import Samples
from benchmarks.tables import Column, Part, Table, at_most
from otel_job_measure.settings import Settings

_DELIVERING: Final = "ours, delivering"
_DOWN: Final = "ours, server down"
# So short that the new process stays new: all its turns are about a tenth of the other one's life.
_TURNS: Final = Turns(rounds=25, most=500, for_s=1)
_AGED: Final = 100_000
_MOST: Final = 1.1
# No server listens there: it is the port of a dead protocol.
_NOBODY: Final = "http://127.0.0.1:9"


def measure(bench: Bench) -> Part:
    """Times runs of an old process beside those of a new one, and with a backlog beside those without.

    Args:
        bench: The servers.
    """
    places = {
        f"{_DELIVERING}/new": bench.to(bench.at_once),
        f"{_DELIVERING}/after {_AGED:,} runs": bench.to(bench.at_once),
        f"{_DOWN}/with the server down": replace(bench.nowhere(), url=_NOBODY),
        f"{_DOWN}/with {MOST:,} runs waiting for it": _with_backlog(bench, replace(bench.nowhere(), url=_NOBODY)),
    }
    new, old, without, with_backlog = places
    samples = _samples(places, old)
    pairs = ((old, new), (with_backlog, without))
    verdicts = tuple(
        at_most(f"cost of a run, {_said(name)}", samples[name].times(samples[other], 50), _MOST, "times")
        for name, other in pairs
    )
    return Part(tables=(_table(samples, pairs),), verdicts=verdicts)


def _samples(places: Mapping[str, Where], old: str) -> dict[str, Samples]:
    with started(places) as children:
        children[old].age(_AGED)
        return by_turns(children, _TURNS)


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
        note=(
            "The new one has run its own turns only, about a tenth as many runs. Where the server is down there is no "
            "local history, which would go through all that waits before a run is timed."
        ),
    )


def _said(name: str) -> str:
    return name.partition("/")[2]


def _with_backlog(bench: Bench, where: Where) -> Where:
    settings = Settings(
        influxdb_url=where.server,
        influxdb_token=where.token,
        influxdb_org=where.org,
        influxdb_bucket=where.bucket,
        state_dir=where.folder / "state",
    )
    bench.backlog.leave(settings, runs=MOST, runs_a_segment=CHUNK)
    return where
