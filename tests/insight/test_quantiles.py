import pytest

from otel_job_measure.insight.quantiles import nearest_rank


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [(range(1, 12), 95, 11), (range(1, 12), 50, 6), ([7.0], 95, 7.0), ([1.0, 2.0], 50, 1.0), (range(1, 21), 95, 19)],
)
def test_a_percentile_is_the_nearest_rank(values: "range | list[float]", percent: int, expected: float) -> None:
    """At least the given part of the values is not greater than the percentile, which is one of them."""
    assert nearest_rank(list(values), percent) == expected


def test_no_values_have_no_percentile() -> None:
    """A job without durations has none."""
    assert nearest_rank([], 95) is None
