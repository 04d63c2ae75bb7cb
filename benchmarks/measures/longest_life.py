"""What a run costs in the course of ten million of one process; only `make bench-long` takes that long."""

from typing import Final

from benchmarks.bench import Bench
from benchmarks.interleaved import Child, Turns, by_turns, started
from benchmarks.tables import Cell, Column, Part, Table, at_most

_DELIVERING: Final = "ours, delivering"
_OLD: Final = f"{_DELIVERING}/old"
_NEW: Final = f"{_DELIVERING}/new"
_AGES: Final = (1000, 100_000, 1_000_000, 10_000_000)
_TURNS: Final = Turns(rounds=25, most=500, for_s=1)
_MOST: Final = 1.1


def measure(bench: Bench) -> Part:
    """Times runs of one process at each age, beside those of another one that has just begun.

    Args:
        bench: The servers.
    """
    rows: list[tuple[Cell, ...]] = []
    slower, lived = 0.0, 0
    with started({_OLD: bench.to(bench.at_once)}) as children:
        for age in _AGES:
            children[_OLD].age(age - lived)
            row, slower = _beside_a_new_one(bench, children[_OLD])
            rows.append((age, *row))
            lived = age + (1 + _TURNS.rounds) * _TURNS.most
    return Part(
        tables=(_table(rows),),
        verdicts=(at_most(f"cost of a run, after {_AGES[-1]:,} runs", slower, _MOST, "times"),),
    )


def _beside_a_new_one(bench: Bench, old: Child) -> tuple[tuple[Cell, ...], float]:
    """Returns what stands in a row, and how many times as long as a new one's a run takes."""
    with started({_NEW: bench.to(bench.at_once)}) as children:
        samples = by_turns({_OLD: old, **children}, _TURNS)
    aged, new = samples[_OLD], samples[_NEW]
    slower = aged.times(new, 50)
    return (aged.at(50), aged.at(99), new.at(50), new.at(99), slower, old.resident_bytes()), slower


def _table(rows: list[tuple[Cell, ...]]) -> Table:
    return Table(
        name="longest-life",
        title=f"A run in the course of {_AGES[-1]:,} of one process",
        columns=(
            Column(title="runs before", unit="count"),
            Column(title="p50", unit="us"),
            Column(title="p99", unit="us"),
            Column(title="a new process's p50", unit="us"),
            Column(title="its p99", unit="us"),
            Column(title="p50 / p50", unit="times"),
            Column(title="memory of the old one", unit="MiB"),
        ),
        rows=tuple(rows),
        note=(
            f"Each row is {_TURNS.rounds} turns of {_TURNS.most} runs, by turns with a process that was started for it."
        ),
    )
