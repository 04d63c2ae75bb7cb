"""Each dialect against its own library, run by a simulated clock."""

import random
from typing import Final

import pytest

from benchmarks.dialects import CHANGES, SIMULATED, compare

EXPRESSIONS: Final = 300
"""Of each dialect; `python -m benchmarks --only dialects` compares 10,000."""

SELDOM: Final = 10
"""What is due so often in two days is followed for 30 more by those libraries that compute the next due time."""


@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize("dialect", SIMULATED)
def test_due_times_are_those_of_the_library(dialect: str, zone: str) -> None:
    """Random expressions around the changes of clocks of three zones; those that are cheap to follow, for 30 days."""
    chance = random.Random(f"dialects-{dialect}-{zone}")
    count = EXPRESSIONS // len(CHANGES)
    asks_each_minute = dialect in {"huey", "pycron"}

    def days(number: int, often: int) -> int:
        is_cheap = number % 50 == 0 or (often <= SELDOM and not asks_each_minute)
        return 31 if is_cheap else 2

    found = compare(dialect, zone, chance, count, days)
    assert found.differences == ()
    assert found.dues > count
