"""Points that a server refuses for an unknown reason, with no other point accepted: they wait, and no others."""

import pytest

from otel_job_measure.delivery.consumer import EAGER, MAX_BATCH
from otel_job_measure.journal.interfaces import Ack, Chunk, WriteResult
from tests.delivery.machine import Machine
from tests.delivery.support import DONE, FakeSegment, line, segment

REFUSED = WriteResult(ack=Ack.REFUSED, message="who knows")
MINUTE_S = 61.0


def bad(number: int) -> bytes:
    """Returns a line that the server refuses."""
    return b"bad v=1 %d" % (10**18 + number)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A delivery loop whose server refuses a batch that has bad points and no good one."""
    machine = Machine(EAGER)
    sink = machine.sinks[0]
    write = sink.write

    def picky(chunks: list[Chunk], *, deadline_ns: int | None = None) -> WriteResult:
        data = b"".join(chunk.data for chunk in chunks)
        sink.answers = [REFUSED if b"\nbad" in data and b"status" not in data else DONE]
        return write(chunks, deadline_ns=deadline_ns)

    monkeypatch.setattr(sink, "write", picky)
    return machine


def test_a_refused_point_of_this_process_does_not_stop_those_of_others(machine: Machine) -> None:
    """The segments of dead processes are sent, however long the own point waits."""
    machine.source.append(bad(1))
    machine.run(MINUTE_S)
    machine.source.others = [segment("left", line(1))]
    machine.run(MINUTE_S)
    assert machine.sinks[0].lines == [line(1)]
    assert machine.loop.is_down


def test_a_refused_segment_of_another_process_does_not_stop_own_points(machine: Machine) -> None:
    """Each own point is sent at once, in the minute in which the refused segment waits too."""
    machine.source.others = [segment("left", bad(1))]
    machine.run(MINUTE_S)
    for number in range(3):
        machine.append(number)
        machine.run(2.0)
        assert line(number) in machine.sinks[0].lines


def test_a_refused_window_does_not_stop_the_next_ones(machine: Machine) -> None:
    """One recovery pass sends what comes behind any number of refused segments."""
    machine.source.window = 2
    machine.source.others = [*(segment(f"bad{number}", bad(number)) for number in range(4)), segment("left", line(1))]
    machine.loop.recover(lambda: True)
    assert machine.sinks[0].lines == [line(1)]
    assert machine.source.dropped == ["left"]


def test_a_refused_batch_does_not_stop_the_rest_of_its_segment(machine: Machine) -> None:
    """One pass is enough, as in `ship --once`: later batches come behind the refused one at once."""
    many = [bad(number) for number in range(MAX_BATCH // len(bad(0)) * 2)]
    machine.source.others = [segment("left", *many, line(1))]
    machine.loop.recover(lambda: True)
    assert machine.sinks[0].lines[-1] == line(1)
    assert machine.source.dropped == ["left"]


def test_a_refused_segment_is_tried_again_with_later_ones(machine: Machine) -> None:
    """A minute later the batch has what came meanwhile behind it, and is settled."""
    late = segment("late", line(1))
    others: list[FakeSegment] = [segment("left", bad(1))]
    machine.source.others = others
    machine.loop.recover(lambda: True)
    consumer = machine.loop.consumers[0]
    assert consumer.refuses
    machine.clock.advance(MINUTE_S)
    machine.source.others = [*others, late]
    machine.loop.recover(lambda: True)
    assert machine.source.dropped == ["left", "late"]
    assert not consumer.refuses


def test_a_refused_point_is_tried_once_a_minute(machine: Machine) -> None:
    """A server that refuses everything is not asked all the time, whatever is appended meanwhile; a flush asks it."""
    machine.source.append(bad(0))
    machine.run(MINUTE_S)
    before = len(machine.sinks[0].batches)
    for number in range(10):
        machine.source.append(bad(number))
        machine.run(5.0)
    assert len(machine.sinks[0].batches) - before == 1
    machine.loop.try_now()
    machine.turn()
    assert len(machine.sinks[0].batches) - before == 2


def test_refused_points_are_told_of_until_they_are_settled(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """Other points that arrive are no sign that all is well again."""
    caplog.set_level("INFO")
    machine.source.append(bad(0))
    machine.source.others = [segment("left", line(1))]
    machine.run(10.0)
    assert {record.getMessage() for record in caplog.records} == {"points wait for sink0: who knows"}
    machine.append(2)
    machine.run(MINUTE_S)
    assert caplog.records[-1].getMessage() == "points are delivered to sink0 again"
    assert not machine.loop.is_down
