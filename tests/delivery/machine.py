"""The delivery loop over fakes."""

from otel_job_measure.delivery.backlog import Backlog
from otel_job_measure.delivery.backoff import Backoff
from otel_job_measure.delivery.consumer import Consumer, Policy
from otel_job_measure.delivery.delivery_loop import DeliveryLoop
from otel_job_measure.journal.counters import Counters
from tests.delivery.support import FakeSource, ListSink, ManualClock, line


class Machine:
    """The delivery loop over fakes, with a clock that goes on by as much as they wait."""

    def __init__(self, *policies: Policy, drops: bool = True) -> None:
        self.clock = ManualClock()
        self.source = FakeSource()
        self.sinks = [ListSink(f"sink{number}") for number, _ in enumerate(policies)]
        self.counters = Counters()
        self.backlog = Backlog(self.counters)
        self.going = True
        self.loop = DeliveryLoop(
            self.source,
            [
                Consumer(sink, policy, clock=self.clock, backoff=Backoff(uniform=lambda _least, most: most))
                for sink, policy in zip(self.sinks, policies, strict=True)
            ],
            backlog=self.backlog,
            clock=self.clock,
            drops=drops,
            pause=self.clock.advance,
            uniform=lambda _least, most: most,
        )

    def append(self, *numbers: int) -> None:
        self.source.append(*map(line, numbers))
        self.counters.appended += len(numbers)

    def turn(self) -> None:
        self.loop.turn(lambda: self.going)

    def run(self, seconds: float) -> int:
        """Runs for some time, and returns how often there was something to do."""
        ends_ns = self.clock.monotonic_ns() + int(seconds * 1e9)
        turns = 0
        while self.clock.monotonic_ns() < ends_ns:
            self.turn()
            self.clock.advance(max(0.001, self.loop.wait_s()))
            turns += 1
        return turns

    def finish(self, seconds: float, *, patient: bool = False) -> None:
        self.loop.finish(self.clock.monotonic_ns() + int(seconds * 1e9), patient=patient)
