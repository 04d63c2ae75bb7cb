"""The table of simulated years: what was to be found, and what a checker got wrong."""

from collections.abc import Sequence
from statistics import median
from typing import Final

from benchmarks.simulation.score import Score, total
from benchmarks.simulation.year import Year, world_of
from benchmarks.tables import Column, Table

_COLUMNS: Final = (
    ("job or host", "text"),
    ("finding", "text"),
    ("to be found", "count"),
    ("found", "count"),
    ("false", "count"),
    ("missed", "count"),
    ("passes until then, median", "count"),
    ("passes until then, most", "count"),
)


def table(years: Sequence[tuple[Year, Score]]) -> Table:
    """Returns one row for each kind of job and kind of finding, over all years together."""
    whole = total(score for _, score in years)
    rows = tuple(
        (of, name, tally.true, len(tally.delays), len(tally.false), len(tally.missed), *_delays(tally.delays))
        for (of, name), tally in sorted(whole.tallies.items())
        if tally.true or tally.false
    )
    return Table(
        name="simulation",
        title="Simulated years: what a checker had to find, and what it got wrong",
        columns=tuple(Column(title=title, unit=unit) for title, unit in _COLUMNS),
        rows=rows,
        note=_note(years, whole),
    )


def _delays(delays: Sequence[int]) -> tuple[int | None, int | None]:
    return (round(median(delays)), max(delays)) if delays else (None, None)


def _note(years: Sequence[tuple[Year, Score]], whole: Score) -> str:
    worlds = [world_of(year) for year, _ in years]
    first, seeds = years[0][0], ", ".join(str(year.seed) for year, _ in years)
    outages, dead = (
        sum(len(each.outages) for each in worlds),
        sum(len(d) for each in worlds for d in each.dead.values()),
    )
    away = sum(len(each.unwatched) for each in worlds)
    return (
        f"{len(years)} years (seeds {seeds}) of {first.days} days with {first.count} jobs each: {whole.due:,} due "
        f"times, {outages} outages of the server, {dead} deaths of hosts, the checker away {away} times, a clock five "
        f"minutes ahead; {whole.passes:,} judgements. A pass is one look of the checker, each minute. The passes count "
        "from the first one at which the rules allow an answer."
    )
