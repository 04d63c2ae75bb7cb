"""Quantiles by nearest rank: the smallest value that at least such a part of the values does not exceed."""

from collections.abc import Sequence


def nearest_rank(ordered: Sequence[float], percent: int) -> float | None:
    """Returns a percentile, from 1 to 100, of values in ascending order; None if there are none."""
    return ordered[-(-percent * len(ordered) // 100) - 1] if ordered else None
