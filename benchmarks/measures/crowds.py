"""Many processes on few cores, and many threads in one interpreter."""

import random
from collections.abc import Mapping
from typing import Final

from benchmarks.bench import Bench
from benchmarks.interleaved import Child, Turns, interleaved, started
from benchmarks.samples import Samples
from benchmarks.tables import Column, Part, Table, at_most

_BATCHED: Final = "span + BatchSpanProcessor"
_OURS: Final = "ours + SDK span"
_NAMES: Final = (_BATCHED, "ours", _OURS, "ours + BatchSpanProcessor")
_PLAIN: Final = "ours"
_MANY: Final = 16
_COUNTS: Final = (1, 2, 4, 8, _MANY)
_ROUNDS: Final = 2
_TURNS_OF_PROCESSES: Final = Turns(rounds=3, most=100_000, for_s=0.7)
_TURNS_OF_THREADS: Final = Turns(rounds=5, most=100_000, for_s=0.4, threads=_MANY)
_AS_GOOD: Final = 1.0
_TWICE: Final = 2.0
_SEED: Final = 4
_LONG_NS: Final = 1_000_000


def processes(bench: Bench) -> Part:
    """Times runs in 16 processes at once, one contender after the other, round by round.

    Args:
        bench: The folders.
    """
    wheres = {name: bench.nowhere() for name in _NAMES}
    places = {f"{name}/{number}": wheres[name] for name in _NAMES for number in range(_MANY)}
    samples = {name: Samples() for name in _NAMES}
    with started(places) as children:
        crowds = {name: [children[f"{name}/{number}"] for number in range(_MANY)] for name in _NAMES}
        chance = random.Random(_SEED)  # noqa: S311 - the order of turns is no secret
        for warm_up in (True, *[False] * _TURNS_OF_PROCESSES.rounds):
            for name in chance.sample(_NAMES, len(_NAMES)):
                took = _together(crowds[name])
                if not warm_up:
                    samples[name].rounds.append(took)
        growth = [(count, Samples([_together(crowds[_PLAIN][:count]) for _ in range(_ROUNDS)])) for count in _COUNTS]
    value = samples[_PLAIN].times(samples[_BATCHED], 99)
    return Part(
        tables=(_table("processes", f"{_MANY} processes at once, back to back", samples), _growth(growth)),
        verdicts=(at_most(f"{_MANY} processes, p99, against BatchSpanProcessor's", value, _AS_GOOD, "times"),),
    )


def threads(bench: Bench) -> Part:
    """Times runs in 16 threads of one busy interpreter.

    Args:
        bench: The folders.
    """
    samples = interleaved({name: bench.nowhere() for name in _NAMES}, _TURNS_OF_THREADS)
    value = samples[_PLAIN].times(samples[_BATCHED], 99)
    return Part(
        tables=(_table("threads", f"{_MANY} threads of one interpreter, back to back", samples),),
        verdicts=(at_most(f"{_MANY} threads, p99, against BatchSpanProcessor's", value, _TWICE, "times"),),
    )


def _together(crowd: list[Child]) -> list[int]:
    for child in crowd:
        child.begin(_TURNS_OF_PROCESSES)
    return [took for child in crowd for took in child.took()]


def _growth(found: list[tuple[int, Samples]]) -> Table:
    return Table(
        name="more-processes",
        title="A run while other processes share the state directory, all back to back",
        columns=(
            Column(title="processes at once", unit="count"),
            Column(title="p50", unit="us"),
            Column(title="p99", unit="us"),
        ),
        rows=tuple((count, samples.at(50), samples.at(99)) for count, samples in found),
    )


def _interrupted(found: Samples) -> float:
    """Returns of how many runs in a hundred the processor, or the interpreter, was taken away."""
    return 100 * sum(took > _LONG_NS for took in found.all) / len(found.all)


def _table(name: str, title: str, samples: Mapping[str, Samples]) -> Table:
    base = samples[_BATCHED]
    return Table(
        name=name,
        title=title,
        columns=(
            Column(title="", unit="text"),
            Column(title="p50", unit="us"),
            Column(title="p99", unit="us"),
            Column(title="p99.9", unit="us"),
            Column(title="p99 / BatchSpanProcessor's", unit="times"),
            Column(title="over 1 ms", unit="percent"),
            Column(title="runs timed", unit="count"),
        ),
        rows=tuple(
            (
                who,
                found.at(50),
                found.at(99),
                found.at(99.9),
                found.times(base, 99),
                _interrupted(found),
                len(found.all),
            )
            for who, found in samples.items()
        ),
    )
