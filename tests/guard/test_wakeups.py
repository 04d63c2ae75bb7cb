"""How often the shipper's thread wakes: each time it takes the interpreter from a job."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from otel_job_measure.delivery.consumer import EAGER, LAZY, Consumer, Policy
from otel_job_measure.delivery.shipper import Shipper
from otel_job_measure.journal.counters import Counters
from tests.delivery.support import FakeSource, ListSink, ManualClock, line
from tests.guard.bounds import TURNS_BUSY, TURNS_CALM, TURNS_IDLE_HOUR

if TYPE_CHECKING:
    from otel_job_measure.delivery.flush_waiters import Bell

_TICK_S = 0.000_001


class HandBell:
    """A bell whose waits take no time: what happens meanwhile happens at once, and the clock goes on.

    Args:
        clock: The clock.
        happens: Runs that end, as seconds from now, the first one first.
        append: Appends the points of one.
        seconds: When it is over.
        over: What is called then.
    """

    def __init__(
        self,
        clock: ManualClock,
        happens: list[float],
        append: Callable[[], object],
        seconds: float,
        over: Callable[[], None],
    ) -> None:
        self.waits = 0
        self._clock = clock
        self._append = append
        self._over = over
        self._began_ns = clock.monotonic_ns()
        self._moments = [*happens, seconds]
        self._rung = False

    def ring(self) -> None:
        """Ends the present wait, or the next one."""
        self._rung = True

    def wait(self, timeout_s: float) -> bool:
        """Appends the points that fall into the wait, until the bell rings or the time is over."""
        self.waits += 1
        ends_s = self._now_s() + timeout_s
        while not self._rung and self._moments and self._moments[0] <= ends_s:
            self._clock.advance(max(0.0, self._moments.pop(0) - self._now_s()))
            self._append() if self._moments else self._over()
        if not self._rung:
            self._clock.advance(max(0.0, ends_s - self._now_s()) + _TICK_S)
        rung, self._rung = self._rung, False
        return rung

    def _now_s(self) -> float:
        return (self._clock.monotonic_ns() - self._began_ns) / 1e9


def turns(policy: Policy, *, runs: int, seconds: float) -> tuple[int, ListSink]:
    """Returns how often the shipper wakes while some runs end, one after the other, and what it has sent."""
    clock, source, sink, counters = ManualClock(), FakeSource(), ListSink(), Counters()
    shipper = Shipper(source, [Consumer(sink, policy, clock=clock)], counters, clock=clock)
    source.wake = shipper.wake

    def append() -> None:
        counters.appended += 2
        source.append(line(counters.appended), line(counters.appended + 1))

    def over() -> None:
        shipper._closing = True
        bell.ring()

    moments = [number * seconds / runs for number in range(runs)]
    bell = HandBell(clock, moments, append, seconds, over)
    shipper._bell = cast("Bell", bell)
    shipper._thread = cast("Any", object())  # this one
    shipper._wanted = True
    shipper._deadline_ns = clock.monotonic_ns() + 2 * int(seconds * 1e9) + 1_000_000_000
    shipper._ship()
    return bell.waits, sink


def test_an_idle_shipper_hardly_wakes() -> None:
    """An hour in which nothing happens, with a sink that is served at once or later."""
    for policy in (EAGER, LAZY):
        assert 0 < turns(policy, runs=0, seconds=3600)[0] <= TURNS_IDLE_HOUR


def test_a_busy_shipper_lingers() -> None:
    """A thousand runs within a second go in few batches, and all of them go."""
    waits, sink = turns(EAGER, runs=1000, seconds=1.0)
    assert len(sink.lines) == 2000
    assert waits <= TURNS_BUSY


def test_a_run_now_and_then_wakes_it_once() -> None:
    """When its points are appended: they go at once, and the linger is over before the next."""
    waits, sink = turns(EAGER, runs=1000, seconds=100.0)
    assert len(sink.lines) == 2000
    assert waits <= TURNS_CALM


def test_the_history_alone_wakes_nobody_for_a_run() -> None:
    """It waits for a minute, or for a megabyte."""
    waits, _ = turns(LAZY, runs=1000, seconds=100.0)
    assert waits <= TURNS_IDLE_HOUR // 36 + 2
