"""What a span costs that isn't a job's, where our processor is registered."""

import statistics

from benchmarks.bench import Bench
from benchmarks.interleaved import Turns, interleaved
from benchmarks.samples import percentile
from benchmarks.tables import Column, Part, Table, at_most

_PAIRS = (
    ("SDK span", "SDK span, JobSpanProcessor registered"),
    ("SDK span", "SDK span, a JobMeasure on its provider"),
    ("span + BatchSpanProcessor", "span + BatchSpanProcessor, JobSpanProcessor registered"),
)
_TURNS = Turns(rounds=40, most=5000, for_s=0.06)
_MOST_NS = 1500


def measure(bench: Bench) -> Part:
    """Times spans with and without our processor, by turns.

    Args:
        bench: The folders.
    """
    names = list(dict.fromkeys(name for pair in _PAIRS for name in pair))
    samples = interleaved({name: bench.nowhere() for name in names}, _TURNS)
    rows: list[tuple[str, float, float, float, float]] = []
    for without, with_ours in _PAIRS:
        pairs = zip(samples[without].rounds, samples[with_ours].rounds, strict=True)
        medians = [(percentile(bare, 50), percentile(ours, 50)) for bare, ours in pairs]
        more = statistics.median(ours - bare for bare, ours in medians)
        least = min(ours for _, ours in medians) - min(bare for bare, _ in medians)
        rows.append((with_ours, samples[without].at(50), samples[with_ours].at(50), more, least))
    table = Table(
        name="other-spans",
        title="A span that isn't a job's",
        columns=(
            Column(title="", unit="text"),
            Column(title="p50 without ours", unit="us"),
            Column(title="p50 with ours", unit="us"),
            Column(title="more (median over the rounds)", unit="us"),
            Column(title="more (between the best rounds of each)", unit="us"),
        ),
        rows=tuple(rows),
        note="The machine is now faster, now slower; the last column is that of its best moments.",
    )
    verdict = at_most("a span that isn't a job's, with our processor, more", rows[0][-2], _MOST_NS, "us")
    return Part(tables=(table,), verdicts=(verdict,))
