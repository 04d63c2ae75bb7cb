"""Each dialect against its own library, run by a simulated clock."""

import random
from typing import Final

import pytest

from benchmarks.dialects import CHANGES, SIMULATED, compare

EXPRESSIONS: Final = 300
"""Of each dialect; `python -m benchmarks --only dialects` compares 10,000."""


@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize("dialect", SIMULATED)
def test_due_times_are_those_of_the_library(dialect: str, zone: str) -> None:
    """Random expressions around the changes of clocks of three zones; some for 30 days."""
    chance = random.Random(f"dialects-{dialect}-{zone}")
    count = EXPRESSIONS // len(CHANGES)
    found = compare(dialect, zone, chance, count, lambda number: 2 if number % 50 else 30)
    assert found.differences == ()
    assert found.dues > count
