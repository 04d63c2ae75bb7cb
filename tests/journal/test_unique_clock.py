"""Times that no two points share."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.unique_clock import UniqueClock
from otel_job_measure.testing import ManualClock
from tests.support.interrupting import interrupting


def test_a_clock_that_stands_still_still_gives_no_time_twice() -> None:
    """Even where the machine's clock doesn't move, every stamp is later than the one before, and ends in the slot."""
    clock = UniqueClock(ManualClock(), slot=7)
    stamps = [clock.stamp() for _ in range(5000)]
    assert len(set(stamps)) == 5000
    assert stamps == sorted(stamps)
    assert {stamp % 1000 for stamp in stamps} == {7}


@given(slot=st.integers(0, 999), after=st.integers(1_799_999_999_000_000_000, 1_800_000_001_000_000_000))
def test_an_end_is_at_least_a_microsecond_after_its_start(slot: int, after: int) -> None:
    """Whatever the start's last digits are (it may be of another slot), and by no more than it has to."""
    clock = ManualClock()
    stamp = UniqueClock(clock, slot).stamp(after_ns=after)
    assert stamp >= after + 1000
    assert stamp % 1000 == slot
    assert stamp < max(after + 2000, clock.wall + 1000)


def test_threads_never_share_a_time() -> None:
    """Eight threads that stamp as fast as they can get different times."""
    clock = UniqueClock(SystemClock(), slot=0)
    found: list[list[int]] = [[] for _ in range(8)]

    def stamp(mine: list[int]) -> None:
        mine.extend(clock.stamp() for _ in range(3000))

    threads = [threading.Thread(target=stamp, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({stamp for mine in found for stamp in mine}) == 24_000
    assert all(mine == sorted(mine) for mine in found)


def test_a_signal_handler_inside_a_stamp_gets_a_time_of_its_own() -> None:
    """A timer that interrupts the clock at any line and stamps too never gets a time that was given."""
    clock = UniqueClock(SystemClock(), slot=3)
    stamps: list[int] = []

    with interrupting(lambda: stamps.append(clock.stamp()), every_s=0.0002):
        mine = [clock.stamp() for _ in range(60_000)]
    assert stamps, "the timer never came"
    assert len({*mine, *stamps}) == len(mine) + len(stamps)


def test_old_claims_are_forgotten_and_never_given_again() -> None:
    """Memory stays bounded over many runs, and a clock that is moved back by hand doesn't bring old times back."""
    hand = ManualClock()
    clock = UniqueClock(hand, slot=1)
    stamps = {clock.stamp()}
    for _ in range(20_000):
        hand.advance(0.001)
        stamps.add(clock.stamp())
    assert len(clock._claims) < 4096  # pyright: ignore[reportPrivateUsage] - memory has no public face
    hand.monotonic = 5_000_000_000  # as if a thread had looked at the clock long ago and only now claims its time
    assert clock.stamp() not in stamps


def test_a_clock_that_falls_behind_is_put_forward() -> None:
    """After a suspend the wall is ahead of the monotonic clock: times follow the wall again."""
    hand = ManualClock()
    clock = UniqueClock(hand, slot=0)
    hand.wall += 5_000_000_000
    assert clock.correct()
    assert clock.stamp() == hand.wall


@pytest.mark.parametrize("back_s", [0.9, 1.5])
def test_only_a_step_back_of_over_a_second_asks_for_another_slot(back_s: float) -> None:
    """A small step back is ridden out; after a larger one this slot's times would come again."""
    hand = ManualClock()
    clock = UniqueClock(hand, slot=0)
    before = clock.stamp()
    hand.wall -= int(back_s * 1e9)
    assert clock.correct() is (back_s < 1)
    assert clock.stamp() > before
