import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.delivery.backoff import Backoff


@given(seed=st.integers(), failures=st.integers(1, 200))
def test_waits_are_bounded(seed: int, failures: int) -> None:
    """No wait is longer than its bound, which doubles up to a minute, and none is nothing."""
    backoff = Backoff(uniform=random.Random(seed).uniform)
    waits = [backoff.failed() for _ in range(failures)]
    for number, wait_s in enumerate(waits):
        bound_s = min(60.0, 0.5 * 2.0**number)
        assert 0.1 * bound_s <= wait_s <= bound_s


def test_success_begins_anew() -> None:
    """After a success the first wait is a short one again."""
    backoff = Backoff(uniform=lambda _least, most: most)
    assert [backoff.failed() for _ in range(3)] == [0.5, 1.0, 2.0]
    backoff.succeeded()
    assert backoff.failed() == 0.5


@pytest.mark.parametrize(("asked_s", "least_s", "most_s"), [(5.0, 5.0, 5.5), (86_400.0, 600.0, 600.5)])
def test_what_the_server_asks_for_is_kept(asked_s: float, least_s: float, most_s: float) -> None:
    """Retry-After is waited for, within reason, and not by all at the same moment."""
    wait_s = Backoff().failed(asked_s)
    assert least_s < wait_s <= most_s


def test_a_hold_is_about_a_minute() -> None:
    """After a wrong setting, the next try is each minute."""
    assert 54.0 <= Backoff().held() <= 60.0


def test_a_seeded_job_changes_nothing() -> None:
    """A job that seeds `random` doesn't make all processes wait alike."""
    random.seed(42)
    first = [Backoff().failed() for _ in range(5)]
    random.seed(42)
    assert [Backoff().failed() for _ in range(5)] != first
