"""How long an event loop is held by a measured run, under load."""

from typing import Final

from benchmarks.bench import Bench
from benchmarks.interleaved import Turns, interleaved
from benchmarks.tables import Column, Part, Table, at_most

_TURNS: Final = Turns(rounds=8, most=4000, for_s=0.3, tasks=50)
_NAMES: Final = ("bare job", "span + BatchSpanProcessor", "ours", "ours + SDK span")
_DELIVERS: Final = ("ours, in memory", "ours, CONFIRM_START=server")
_MOST_NS: Final = 1_000_000


def measure(bench: Bench) -> Part:
    """Times each step of an asynchronous job's coroutine, in 50 tasks at once.

    Args:
        bench: The servers.
    """
    contenders = {name: bench.nowhere() for name in _NAMES} | {name: bench.to(bench.at_once) for name in _DELIVERS}
    contenders["ours, delivering"] = bench.to(bench.at_once)
    samples = interleaved(contenders, _TURNS)
    table = Table(
        name="event-loop",
        title=f"How long one step holds the event loop, {_TURNS.tasks} tasks at once",
        columns=(
            Column(title="", unit="text"),
            Column(title="p50", unit="us"),
            Column(title="p99", unit="us"),
            Column(title="p99.9", unit="us"),
            Column(title="steps timed", unit="count"),
        ),
        rows=tuple(
            (name, found.at(50), found.at(99), found.at(99.9), len(found.all)) for name, found in samples.items()
        ),
        note="A run has two steps: up to the job's first wait, and from its last one on.",
    )
    value = samples["ours, delivering"].at(99)
    return Part(tables=(table,), verdicts=(at_most("the event loop is held, p99", value, _MOST_NS, "us"),))
