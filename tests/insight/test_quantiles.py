import random
from array import array

import pytest

from otel_job_measure.insight import quantiles
from otel_job_measure.insight.quantiles import nearest_rank, nearest_ranks


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


@pytest.mark.parametrize("kind", ["random", "ascending", "descending", "equal", "two", "periodic"])
def test_many_values_have_the_percentiles_of_their_order(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Narrowing them down with a sample gives what sorting all of them gives, whatever their order."""
    monkeypatch.setattr(quantiles, "_MOST", 5000)
    draw = random.Random(5)
    values = {
        "random": [draw.lognormvariate(0, 3) for _ in range(50_001)],
        "ascending": [float(each) for each in range(50_001)],
        "descending": [float(-each) for each in range(50_001)],
        "equal": [1.0] * 50_001,
        "two": [float(draw.random() < 0.1) for _ in range(50_001)],
        "periodic": [float(each % 25) for each in range(50_001)],  # the sample takes each 25th
    }[kind]
    ordered = sorted(values)
    percents = (1, 5, 50, 95, 99, 100)
    assert nearest_ranks(array("d", values), percents) == [nearest_rank(ordered, each) for each in percents]
