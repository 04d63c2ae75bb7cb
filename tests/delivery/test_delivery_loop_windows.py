"""What others left comes some at a time: any number of segments is sent, and none is looked at for nothing."""

import pytest

from otel_job_measure.delivery.consumer import EAGER, LAZY
from tests.delivery.machine import Machine
from tests.delivery.support import RETRY, FakeSegment, line, segment


class Watched(FakeSegment):
    """A segment that knows how often it was looked at."""

    looks = 0

    def size(self) -> int:
        self.looks += 1
        return super().size()


def left(machine: Machine, count: int, *, window: int) -> list[Watched]:
    """Leaves segments of one line each."""
    made = [segment(f"left{number}", line(number)) for number in range(count)]
    found = [Watched(one.name, one.header, one.data) for one in made]
    machine.source.others = [*found]
    machine.source.window = window
    return found


def test_all_windows_are_sent_in_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """One request for each, and nothing is kept in mind of what is gone."""
    machine = Machine(EAGER)
    segments = left(machine, 5, window=2)

    def delete(segment: FakeSegment, *, is_lost: bool) -> None:
        assert not is_lost
        segment.delete()

    monkeypatch.setattr(machine.source, "drop", delete)  # the files are gone
    machine.turn()
    sink = machine.sinks[0]
    assert [[chunk.segment for chunk in batch] for batch in sink.batches[1:]] == [
        ["left0", "left1"],
        ["left2", "left3"],
        ["left4"],
    ]
    assert all(one.deleted for one in segments)
    assert sorted(sink.forgotten) == [one.name for one in segments]


def test_while_the_server_is_away_the_other_windows_are_not_looked_at() -> None:
    """There may be a hundred thousand; when it is back, all are sent."""
    machine = Machine(EAGER, LAZY)
    segments = left(machine, 5, window=2)
    machine.sinks[0].always = RETRY
    machine.loop.recover(lambda: True)
    assert [one.looks > 0 for one in segments] == [True, True, False, False, False]
    machine.sinks[0].always = machine.sinks[1].always
    machine.run(180)
    assert sorted(machine.sinks[0].lines) == sorted(machine.sinks[1].lines) == [line(number) for number in range(5)]
