import math

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.samples import Samples, percentile


@given(st.lists(st.integers(), min_size=1), st.floats(min_value=0.1, max_value=100))
def test_a_percentile_is_a_sample_that_so_many_are_not_above(values: list[int], percent: float) -> None:
    """It is one of the values, and the smallest that at least so many percent are not above."""
    found = percentile(values, percent)
    needed = math.ceil(len(values) * percent / 100)
    assert found in values
    assert sum(value <= found for value in values) >= needed
    assert sum(value < found for value in values) < needed


def test_a_ratio_is_the_rounds_own() -> None:
    """A round in which the machine was slow for both changes nothing."""
    mine = Samples([[20] * 1000, [2000] * 1000, [20] * 1000])
    others = Samples([[10] * 1000, [1000] * 1000, [10] * 1000])
    assert mine.times(others, 50) == mine.times(others, 99) == 2.0


def test_too_few_samples_are_put_together() -> None:
    """A round with less than ten samples above a percentile says nothing of it; all rounds together do."""
    mine, others = Samples([[1, 2, 30], [1, 2, 30]]), Samples([[1, 2, 3], [1, 2, 3]])
    assert mine.times(others, 99) == 10.0


def test_rounds_are_put_together_only_until_they_are_enough() -> None:
    """One slow round in seven is in one of three groups, and what is left over joins the last one."""
    mine = Samples([*[[20] * 500] * 4, [2000] * 500, *[[20] * 500] * 2])
    others = Samples([*[[10] * 500] * 7])
    assert mine.times(others, 99) == 2.0
    assert mine.at(99) == 2000
