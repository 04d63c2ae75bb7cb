"""What a span costs that isn't a job's, where our processor is registered."""

from typing import Final

from benchmarks.bench import Bench
from benchmarks.samples import Samples, percentile
from benchmarks.side_by_side import Blocks, side_by_side
from benchmarks.tables import Column, Part, Table, at_most

_SPAN: Final = "SDK span"
_REGISTERED: Final = "SDK span, JobSpanProcessor registered"
_BESIDE: Final = "SDK span, a JobMeasure on its provider"
_PAIRS: Final = (
    (_SPAN, _REGISTERED),
    (_SPAN, _BESIDE),
    (_SPAN, "SDK span, JobSpanProcessor and a JobMeasure on its provider"),
    ("span + BatchSpanProcessor", "span + BatchSpanProcessor, JobSpanProcessor registered"),
    (_SPAN, "SDK span, a processor that does nothing"),
    (_SPAN, "SDK span, a processor that asks for the attributes"),
)
_BLOCKS: Final = Blocks(rounds=500, warm_up=40, runs=50)
_MOST_NS: Final = 1500
_QUARTERS: Final = (50, 25, 75)


def measure(bench: Bench) -> Part:
    """Times spans with and without our processor, by short turns in one process.

    Args:
        bench: The folders.
    """
    names = list(dict.fromkeys(name for pair in _PAIRS for name in pair))
    samples = side_by_side({name: bench.nowhere() for name in names}, _BLOCKS)
    more_ns = {pair: _more_ns(samples[pair[0]], samples[pair[1]]) for pair in _PAIRS}
    table = Table(
        name="other-spans",
        title="A span that isn't a job's",
        columns=(
            Column(title="", unit="text"),
            Column(title="p50 without", unit="us"),
            Column(title="p50 with", unit="us"),
            Column(title="more", unit="us"),
            Column(title="in a quarter of the rounds at most", unit="us"),
            Column(title="in three quarters at most", unit="us"),
        ),
        rows=tuple(
            (
                pair[1],
                samples[pair[0]].at(50),
                samples[pair[1]].at(50),
                *(percentile(more, percent) for percent in _QUARTERS),
            )
            for pair, more in more_ns.items()
        ),
        note=(
            f'"More" is the median over {_BLOCKS.rounds} rounds of the difference between the medians of two blocks of '
            f"{_BLOCKS.runs} spans in the same round."
        ),
    )
    return Part(
        tables=(table,),
        verdicts=tuple(
            at_most(f"a span that isn't a job's, {what}, more", percentile(more_ns[_SPAN, name], 50), _MOST_NS, "us")
            for what, name in (("with our processor", _REGISTERED), ("with a JobMeasure on its provider", _BESIDE))
        ),
    )


def _more_ns(without: Samples, with_it: Samples) -> list[float]:
    """Returns how much longer the median of a block is than that of the other one in the same round."""
    pairs = zip(without.rounds, with_it.rounds, strict=True)
    return [percentile(block, 50) - percentile(other, 50) for other, block in pairs]
