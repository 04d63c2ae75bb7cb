import pytest

from otel_job_measure.delivery.consumer import EAGER, LAZY
from tests.delivery.machine import Machine
from tests.delivery.support import DONE, HOLD, RETRY, line, segment


def test_the_end_sends_what_is_there_and_one_batch_of_others() -> None:
    """At the end own points go first, to all sinks, then one batch of what others left."""
    machine = Machine(EAGER, LAZY)
    machine.append(1)
    machine.source.rotate(line(2))
    machine.source.others = [segment("left", *(line(number) for number in range(10, 20_000)))]
    machine.finish(5)
    assert machine.sinks[0].lines[:2] == [line(1), line(2)]
    assert machine.sinks[1].lines[:2] == [line(1), line(2)]
    assert [len(sink.batches) for sink in machine.sinks] == [2, 2]
    assert machine.source.dropped == ["own-0"]
    assert machine.loop.has_everything()


@pytest.mark.parametrize("takes_s", [0.0, 1.5])
def test_the_first_failure_or_slow_request_is_the_last(takes_s: float) -> None:
    """The end of a process doesn't wait for a server that fails or is slow."""
    machine = Machine(EAGER)
    machine.source.append(*(line(number) for number in range(30_000)))
    machine.sinks[0].always = DONE if takes_s else RETRY
    machine.sinks[0].during = lambda: machine.clock.advance(takes_s)
    machine.source.others = [segment("left", line(1))]
    machine.finish(5)
    assert len(machine.sinks[0].batches) == 1
    assert not machine.loop.has_everything()


def test_where_all_is_lost_otherwise_it_is_tried_until_the_end() -> None:
    """In memory nothing survives the process: failures are tried again for as long as there is time."""
    machine = Machine(EAGER)
    machine.append(1)
    machine.sinks[0].answers = [RETRY, HOLD, RETRY]
    machine.finish(100, patient=True)
    assert machine.sinks[0].lines == [line(1)]
    failing = Machine(EAGER)
    failing.append(1)
    failing.sinks[0].always = RETRY
    began_ns = failing.clock.monotonic_ns()
    failing.finish(5, patient=True)
    assert (failing.clock.monotonic_ns() - began_ns) / 1e9 == pytest.approx(5.0, abs=0.01)
    assert 3 <= len(failing.sinks[0].batches) <= 6


def test_no_time_is_no_request() -> None:
    """With a shutdown timeout of 0 nothing is sent at the end."""
    machine = Machine(EAGER)
    machine.append(1)
    machine.finish(0)
    assert machine.sinks[0].batches == []
