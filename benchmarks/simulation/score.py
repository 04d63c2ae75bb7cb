"""What a checker got right and wrong, by the kind of job and the kind of finding."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Tally:
    """The findings of one kind.

    Args:
        true: How many there were to make.
        delays: Of each that was made in time: how many passes after the first one that could decide it.
        false: Those that are wrong, with their jobs.
        missed: Those that were not made, or too late.
    """

    true: int = 0
    delays: list[int] = field(default_factory=list[int])
    false: list[str] = field(default_factory=list[str])
    missed: list[str] = field(default_factory=list[str])


def _tallies() -> defaultdict[tuple[str, str], Tally]:
    return defaultdict(Tally)


@dataclass(slots=True)
class Score:
    """What a checker got right and wrong.

    Args:
        passes: How often a job was judged.
        due: The due times.
        unknown: How many jobs were unknown in some outage.
        tallies: The findings by what they are about, a kind of job or a host, and by their name.
    """

    passes: int = 0
    due: int = 0
    unknown: int = 0
    tallies: defaultdict[tuple[str, str], Tally] = field(default_factory=_tallies)

    @property
    def false(self) -> list[str]:
        """All findings that are wrong."""
        return [line for tally in self.tallies.values() for line in tally.false]

    @property
    def missed(self) -> list[str]:
        """All findings that were not made, or too late."""
        return [line for tally in self.tallies.values() for line in tally.missed]

    @property
    def found(self) -> set[str]:
        """The names of the findings that were made."""
        return {name for (_, name), tally in self.tallies.items() if tally.delays}


def total(scores: Iterable[Score]) -> Score:
    """Returns the sum of scores."""
    whole = Score()
    for score in scores:
        whole.passes += score.passes
        whole.due += score.due
        whole.unknown += score.unknown
        for key, tally in score.tallies.items():
            of = whole.tallies[key]
            of.true += tally.true
            of.delays += tally.delays
            of.false += tally.false
            of.missed += tally.missed
    return whole
