"""Samples of all rounds, and what is said of them."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

_ENOUGH = 10.0
_WHOLE = 100.0


def percentile(values: Sequence[float], percent: float) -> float:
    """Returns the smallest value that so many percent of all are not above (nearest rank, none is interpolated).

    Args:
        values: At least one.
        percent: Above 0, at most 100.
    """
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / _WHOLE) - 1)]


@dataclass(slots=True)
class Samples:
    """How long each run of one contender took, in ns, round by round."""

    rounds: list[Sequence[int]] = field(default_factory=list[Sequence[int]])

    @property
    def all(self) -> list[int]:
        """Returns every sample."""
        return [took for chunk in self.rounds for took in chunk]

    def at(self, percent: float) -> float:
        """Returns a percentile of all samples, in ns."""
        return percentile(self.all, percent)

    def times(self, other: "Samples", percent: float) -> float:
        """Returns how many times as long this took as another one that ran in the same rounds.

        It is the median of the rounds' own ratios, since the machine may be slower in one round than in another. Rounds
        with too few samples for their percentile are put together with the next ones until there are enough.

        Args:
            other: What it is compared with.
            percent: The percentile that is compared.
        """
        needed = _ENOUGH * _WHOLE / (_WHOLE - percent)
        groups = _groups(list(zip(self.rounds, other.rounds, strict=True)), needed)
        return statistics.median(percentile(mine, percent) / percentile(others, percent) for mine, others in groups)


def _groups(pairs: list[tuple[Sequence[int], Sequence[int]]], needed: float) -> list[tuple[list[int], list[int]]]:
    """Puts neighbouring rounds together, so that each group has enough samples of both; what is left joins the last."""
    groups: list[tuple[list[int], list[int]]] = []
    enough = True
    for mine, others in pairs:
        if enough:
            groups.append(([], []))
        groups[-1][0].extend(mine)
        groups[-1][1].extend(others)
        enough = min(map(len, groups[-1])) >= needed
    if not enough and len(groups) > 1:
        mine, others = groups.pop()
        groups[-1][0].extend(mine)
        groups[-1][1].extend(others)
    return groups
