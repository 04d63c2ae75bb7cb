"""How often a checker is wrong: years of 300 simulated jobs, judged at every moment at which anything can change."""

from typing import Final

from benchmarks.bench import Bench
from benchmarks.simulation.score import total
from benchmarks.simulation.table import table
from benchmarks.simulation.year import Year, judged
from benchmarks.tables import Part, at_most

SEEDS: Final = (20, 21, 22)


def measure(bench: Bench) -> Part:
    """Judges a year of jobs for each seed."""
    del bench  # no server is needed
    years = [(year, judged(year)) for year in map(Year, SEEDS)]
    whole = total(score for _, score in years)
    return Part(
        tables=(table(years),),
        verdicts=(
            at_most("false alarms in simulated years", len(whole.false), 0, "count"),
            at_most("missed alarms in simulated years", len(whole.missed), 0, "count"),
        ),
    )
