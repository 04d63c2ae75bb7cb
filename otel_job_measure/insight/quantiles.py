"""Quantiles by nearest rank: the smallest value that at least such a part of the values does not exceed."""

from array import array
from collections.abc import Sequence
from typing import Final

_MOST: Final = 100_000
"""How many values are sorted at once, in 40 bytes each; more of them are narrowed down first."""
_ALL: Final = 100
_SAMPLE: Final = 2000
_MARGIN: Final = 60


def nearest_rank(ordered: Sequence[float], percent: int) -> float | None:
    """Returns a percentile, from 1 to 100, of values in ascending order; None if there are none."""
    return ordered[_rank(len(ordered), percent)] if ordered else None


def nearest_ranks(values: "array[float]", percents: Sequence[int]) -> list[float | None]:
    """Returns percentiles of values in any order, with little memory besides them."""
    if len(values) <= _MOST:
        ordered = sorted(values)
        return [nearest_rank(ordered, percent) for percent in percents]
    return [max(values) if percent == _ALL else _selected(values, _rank(len(values), percent)) for percent in percents]


def _rank(count: int, percent: int) -> int:
    return -(-percent * count // 100) - 1


def _selected(values: "array[float]", rank: int) -> float:
    """Returns the value with a rank, from 0: a sample tells between which values it lies."""
    while len(values) > _MOST:
        sample = sorted(values[:: len(values) // _SAMPLE])
        at = rank * len(sample) // len(values)
        low, high = sample[max(0, at - _MARGIN)], sample[min(len(sample) - 1, at + _MARGIN)]
        below = sum(map(low.__gt__, values))
        between = array("d", (value for value in values if low <= value <= high))
        if not below <= rank < below + len(between) or len(between) == len(values):
            break  # the sample is not like the whole, or most values are equal
        values, rank = between, rank - below
    return sorted(values)[rank]
