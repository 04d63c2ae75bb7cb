"""What a run costs on the job's own thread, back to back, against spans."""

from benchmarks.bench import Bench
from benchmarks.contenders.contender import Where
from benchmarks.interleaved import Turns, interleaved
from benchmarks.samples import Samples
from benchmarks.tables import Column, Part, Table, Verdict, at_most

BATCHED = "span + BatchSpanProcessor"
SAME = "span with attributes + BatchSpanProcessor"
APART = "ours, then a span with attributes + BatchSpanProcessor"
BARE = "bare job"
_NOWHERE = (
    BARE,
    "SDK span",
    BATCHED,
    "span with attributes",
    SAME,
    "ours",
    "ours, RUNS=off",
    "ours, SHIP=off",
    "ours + SDK span",
    "ours + SDK span, SHIP=off",
    "ours + SDK span, 16 more tags",
    "ours + BatchSpanProcessor",
    "ours + BatchSpanProcessor, SHIP=off",
    APART,
)
_QUICK = (BARE, "SDK span", BATCHED, SAME, "ours", "ours + SDK span", "ours + BatchSpanProcessor")
_TO_STUB = (
    "span + BatchSpanProcessor + OTLP",
    "ours, in memory",
    "ours, CONFIRM_START=server",
    "ours + BatchSpanProcessor + OTLP",
)
# Many short ones: how fast the machine is changes within a second.
_TURNS = Turns(rounds=20, most=5000, for_s=0.08)
_QUICK_TURNS = Turns(rounds=5, most=5000, for_s=0.2)
_WHOLE = 1.2
_IN_TRACED_APP = 1.5


def measure(bench: Bench) -> Part:
    """Times single runs, each contender in a process of its own, by turns.

    Args:
        bench: The servers.
    """
    names = _QUICK if bench.quick else _NOWHERE
    contenders = {name: bench.nowhere() for name in names}
    if not bench.quick:
        contenders |= {name: bench.to(bench.at_once) for name in _TO_STUB}
    samples = interleaved(contenders, _QUICK_TURNS if bench.quick else _TURNS)
    return Part(tables=(table(contenders, samples),), verdicts=tuple(_verdicts(samples)))


def table(contenders: dict[str, Where], samples: dict[str, Samples]) -> Table:
    """Shows medians and 99th percentiles.

    Args:
        contenders: The programs that were timed.
        samples: How long each run took.
    """
    base, same = samples[BATCHED], samples[SAME]
    return Table(
        name="job-thread",
        title="One run on the job's thread, back to back",
        columns=(
            Column(title="", unit="text"),
            Column(title="p50", unit="us"),
            Column(title="p99", unit="us"),
            Column(title="p50 / BatchSpanProcessor's", unit="times"),
            Column(title="p99 / BatchSpanProcessor's", unit="times"),
            Column(title="p50 / the same with attributes", unit="times"),
            Column(title="runs timed", unit="count"),
        ),
        rows=tuple(
            (
                name,
                found.at(50),
                found.at(99),
                found.times(base, 50),
                found.times(base, 99),
                found.times(same, 50),
                len(found.all),
            )
            for name in contenders
            for found in (samples[name],)
        ),
    )


def _verdicts(samples: dict[str, Samples]) -> list[Verdict]:
    whole, traced = samples["ours"], samples["ours + BatchSpanProcessor"]
    return [
        at_most(f"{what}, against {whom}, p{percent}", found.times(samples[base], percent), bound, "times")
        for found, bound, what in (
            (whole, _WHOLE, "a whole run"),
            (traced, _IN_TRACED_APP, "a run in an app that exports its spans"),
        )
        for base, whom in ((BATCHED, "a span with BatchSpanProcessor"), (SAME, "one that says the same"))
        for percent in (50, 99)
    ]
