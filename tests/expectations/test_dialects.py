"""Each dialect against its own library, run by a simulated clock."""

import random
from datetime import datetime
from typing import Final

import pytest

from benchmarks.dialects import CHANGES, SIMULATED, compare

EXPRESSIONS: Final = 300
"""Of each dialect; `python -m benchmarks --only dialects` compares 10,000."""

_changes = pytest.mark.parametrize(
    ("zone", "change"),
    [pytest.param(zone, change, id=f"{zone}-{change:%B}") for zone, some in CHANGES.items() for change in some],
)
_dialects = pytest.mark.parametrize("dialect", SIMULATED)


@pytest.mark.timeout(600)  # a quarter of a minute of one processor, of which a busy machine has little
@_changes
@_dialects
def test_due_times_are_those_of_the_library(dialect: str, zone: str, change: datetime) -> None:
    """Random expressions, followed around a change of clocks and for 30 days after: 300 over three zones."""
    _agree(dialect, zone, change, EXPRESSIONS // sum(map(len, CHANGES.values())))


@pytest.mark.long
@pytest.mark.timeout(1800)
@_changes
@_dialects
def test_due_times_of_300_expressions_in_each_zone_around_each_change(
    dialect: str, zone: str, change: datetime
) -> None:
    """The same for 300 expressions in each zone, around each of its changes."""
    _agree(dialect, zone, change, EXPRESSIONS)


def _agree(dialect: str, zone: str, change: datetime, expressions: int) -> None:
    found = compare(dialect, zone, change, random.Random(f"dialects-{dialect}-{zone}"), expressions)
    assert found.differences == ()
    assert found.dues > expressions
