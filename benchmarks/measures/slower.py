"""How often `slower` is right: jobs that begin to take 1.5 times as long, and jobs that do not."""

import random
from collections.abc import Callable
from math import exp, log
from typing import Final

from benchmarks.bench import Bench
from benchmarks.tables import Column, Part, Table, at_least, at_most
from otel_job_measure import names
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.slower import slower

_SERIES: Final = 1000
_BEFORE: Final = 100
_LOOKS: Final = 200
_FACTOR: Final = 1.5

Spread = Callable[[random.Random], float]


def _normal(spread: float) -> Spread:
    return lambda chance: chance.gauss(0, spread)


def _two_kinds(chance: random.Random) -> float:
    return chance.gauss(0, 0.1) + (log(2) if chance.random() < 0.1 else 0.0)


_SPREADS: Final[tuple[tuple[str, Spread], ...]] = (
    ("5 %", _normal(0.05)),
    ("10 %", _normal(0.1)),
    ("20 %", _normal(0.2)),
    ("40 %", _normal(0.4)),
    ("10 %, and one run in ten takes twice as long", _two_kinds),
)


def measure(bench: Bench) -> Part:
    """Looks at a thousand series of each spread, after each run."""
    del bench  # no server is needed
    rows = tuple((title, *_of(spread)) for title, spread in _SPREADS)
    columns = (
        ("spread of the durations", "text"),
        ("found within 5 runs", "percent"),
        ("found within 10 runs", "percent"),
        (f"called slower falsely in {_LOOKS} runs", "percent"),
    )
    table = Table(
        name="slower",
        title=f"Jobs that begin to take {_FACTOR} times as long, and jobs that do not",
        columns=tuple(Column(title=title, unit=unit) for title, unit in columns),
        rows=rows,
        note=f"{_SERIES} series of each, with seeds, looked at after each run. The durations are log-normal.",
    )
    return Part(
        tables=(table,),
        verdicts=(
            at_least(f"runs {_FACTOR} times as long, found within 5 runs (spread 10 %)", rows[1][1], 95, "percent"),
            at_most(f"steady series ever called slower in {_LOOKS} runs", max(row[3] for row in rows), 1, "percent"),
        ),
    )


def _of(spread: Spread) -> tuple[float, float, float]:
    """Returns how many of the series are found within 5 and 10 runs, and called slower falsely, in percent."""
    soon = later = wrong = 0
    for seed in range(_SERIES):
        chance = random.Random(seed)  # noqa: S311 - a simulation
        steady = [_run(number, spread(chance)) for number in range(25 + _LOOKS)]
        wrong += any(_is_slower(steady[:length]) for length in range(25, 25 + _LOOKS))
        after = [_run(_BEFORE + number, spread(chance) + log(_FACTOR)) for number in range(10)]
        found = [length for length in range(1, 11) if _is_slower(steady[:_BEFORE] + after[:length])]
        soon += bool(found) and found[0] <= 5
        later += bool(found)
    return tuple(100 * count / _SERIES for count in (soon, later, wrong))  # type: ignore[return-value]


def _is_slower(runs: list[RunRecord]) -> bool:
    return slower(runs) is not None


def _run(number: int, log_factor: float) -> RunRecord:
    took_s = 10 * exp(log_factor)
    return RunRecord(
        uuid=f"{number}",
        job="steady",
        tags={},
        started_ns=number * 10**12,
        ended_ns=number * 10**12 + int(took_s * 1e9),
        status=names.STATUS_END,
        duration_s=took_s,
    )
