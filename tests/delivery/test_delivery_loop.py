from typing import NoReturn

import pytest

from otel_job_measure.delivery.consumer import EAGER, LAZY
from otel_job_measure.delivery.delivery_loop import RecoveryPass
from tests.delivery.machine import Machine
from tests.delivery.support import DONE, HOLD, RETRY, line, segment


def test_an_idle_process_hardly_wakes() -> None:
    """With nothing to do there are a few turns a minute: upkeep each 10 s, a look at what others left each 30 s."""
    machine = Machine(EAGER, LAZY)
    machine.turn()
    turns = machine.run(600)
    assert turns <= 85
    assert 59 <= machine.source.kept_up <= 61
    assert 18 <= machine.source.adopted == machine.source.looked <= 21


def test_a_first_point_is_sent_at_once() -> None:
    """The point that wakes an idle shipper is sent before anything else is looked at."""
    machine = Machine(EAGER)
    machine.append(1)
    machine.sinks[0].during = lambda: seen.append(machine.source.adopted)
    seen: list[int] = []
    machine.turn()
    assert seen == [0]
    assert machine.sinks[0].lines == [line(1)]


def test_a_sink_that_is_down_does_not_stop_the_other() -> None:
    """InfluxDB being down holds back nothing from the history, and the other way round."""
    for broken, working in ((0, 1), (1, 0)):
        machine = Machine(EAGER, EAGER)
        machine.sinks[broken].always = RETRY
        machine.append(1)
        machine.turn()
        machine.append(2)
        machine.run(5)
        assert machine.sinks[working].lines == [line(1), line(2)]
        assert machine.sinks[broken].lines == []


def test_a_segment_goes_when_all_sinks_have_it() -> None:
    """A closed segment is kept until the last sink has it; the one that is written is never dropped."""
    machine = Machine(EAGER, LAZY)
    machine.append(1)
    machine.source.rotate()
    machine.turn()
    assert machine.source.dropped == []
    machine.run(70)
    assert machine.source.dropped == ["own-0"]
    assert machine.sinks[1].lines == [line(1)]
    assert machine.loop.has_delivered("own-0") or machine.loop.has_everything()


def test_what_another_process_ships_is_not_dropped() -> None:
    """With SHIP=off the history takes its part, and the segments stay for `ship`."""
    machine = Machine(LAZY, drops=False)
    machine.append(1)
    machine.source.rotate()
    machine.source.others = [segment("left", line(2))]
    machine.run(70)
    assert machine.source.dropped == []
    assert machine.sinks[0].lines == [line(2), line(1)]
    assert not machine.loop.has_everything()


def test_what_others_left_is_sent_in_one_batch_and_dropped() -> None:
    """Many segments of processes that are gone need one request."""
    machine = Machine(EAGER, LAZY)
    machine.source.others = [segment(f"left{number}", line(number)) for number in range(20)]
    machine.turn()
    assert [len([batch for batch in sink.batches if batch[0].segment == "left0"]) for sink in machine.sinks] == [1, 1]
    assert len(machine.source.dropped) == 20
    assert machine.source.others == []


def test_own_points_go_between_batches_of_what_others_left() -> None:
    """A large backlog of others doesn't make a new point wait for its end."""
    machine = Machine(EAGER)
    machine.source.others = [
        segment(f"left{part}", *(line(part * 10_000 + number) for number in range(10_000))) for part in range(3)
    ]
    sink = machine.sinks[0]
    sink.during = lambda: machine.append(99_999) if len(sink.batches) == 2 else None
    machine.turn()
    # The first is the header of the own segment.
    assert [batch[0].segment for batch in sink.batches] == ["own-0", "left0", "own-0", "left1", "left2"]


def test_a_look_ends_when_the_process_does() -> None:
    """Shipping what others left doesn't hold up the end of a process for more than a batch."""
    machine = Machine(EAGER)
    machine.source.others = [segment("left", *(line(number) for number in range(30_000)))]
    sink = machine.sinks[0]
    sink.during = lambda: setattr(machine, "going", sink.batches[-1][0].segment != "left")
    machine.turn()
    assert [batch[0].segment for batch in sink.batches] == ["own-0", "left"]


def test_who_finds_the_lock_held_does_not_look() -> None:
    """Where another process sees to what was left, there is nothing to do, and nothing is forgotten."""
    machine = Machine(EAGER)
    machine.source.others = None
    assert machine.loop.recover(lambda: True) == RecoveryPass(elsewhere=True)
    assert machine.sinks[0].forgotten == []


def test_a_look_tells_what_is_left() -> None:
    """After a look a command knows how much could not be sent."""
    machine = Machine(EAGER)
    left = segment("left", line(1))
    machine.source.others = [left]
    machine.sinks[0].answers = [RETRY]
    assert machine.loop.recover(lambda: True) == RecoveryPass(pending_bytes=left.size())
    assert machine.loop.is_down
    machine.loop.try_now()
    assert machine.loop.recover(lambda: True) == RecoveryPass(pending_bytes=0)


def test_segments_that_vanish_are_forgotten() -> None:
    """What another process shipped and deleted is no longer kept in mind."""
    machine = Machine(EAGER)
    machine.source.others = [segment("left", line(1))]
    machine.sinks[0].answers = [RETRY]
    machine.turn()
    machine.source.others = []
    machine.run(40)
    assert machine.sinks[0].forgotten == ["left"]


def test_a_history_that_takes_nothing_holds_a_segment_for_an_hour() -> None:
    """A history of a newer version keeps no segment that InfluxDB has had for an hour."""
    machine = Machine(EAGER, LAZY)
    machine.sinks[1].always = HOLD
    machine.append(1)
    machine.source.rotate()
    machine.turn()
    assert machine.loop.has_delivered("own-0")
    machine.run(3500)
    assert machine.source.dropped == []
    machine.run(200)
    assert machine.source.dropped == ["own-0"]


def test_what_the_history_has_of_a_segment_is_known() -> None:
    """Deleting the rest leaves a gap in it; without a history there is none."""
    machine = Machine(EAGER, LAZY)
    machine.append(1)
    size = machine.source.own()[0].size()
    assert not machine.loop.has_recorded("own-0", size)
    machine.run(100)
    assert machine.loop.has_recorded("own-0", size)
    assert not machine.loop.has_recorded("own-0", size + 1)
    assert Machine(EAGER).loop.has_recorded("own-0", size)


def test_a_history_that_only_fails_is_waited_for() -> None:
    """A busy history is no reason to drop what it lacks, however long that takes."""
    machine = Machine(EAGER, LAZY)
    machine.sinks[1].always = RETRY
    machine.append(1)
    machine.source.rotate()
    machine.run(8000)
    assert machine.source.dropped == []


def test_without_a_server_the_history_alone_decides() -> None:
    """A history that takes nothing is never passed over where it is the only sink."""
    machine = Machine(LAZY)
    machine.sinks[0].always = HOLD
    machine.append(1)
    machine.source.rotate()
    machine.run(8000)
    assert machine.source.dropped == []
    assert machine.backlog.points >= 0


def test_the_backlog_counts_what_is_on_its_way() -> None:
    """Points are pending until InfluxDB has them, and repeated start lines don't make the count wrong for long."""
    machine = Machine(EAGER)
    machine.sinks[0].always = RETRY
    machine.append(1, 2, 3)
    machine.turn()
    assert machine.backlog.points == 3
    machine.source.rotate(line(1))  # the run is still open: its start is written again
    machine.append(4)
    machine.sinks[0].always = DONE
    machine.run(5)
    assert machine.backlog.points == 0
    machine.counters.appended += 7  # and dropped again, since there was no room
    machine.run(1)
    assert machine.backlog.points == 0
    machine.sinks[0].always = RETRY
    machine.append(5, 6)
    machine.run(1)
    assert machine.backlog.points == 2


def test_a_source_that_raises_is_tried_again_later(caplog: pytest.LogCaptureFixture) -> None:
    """A bug on the reading side is logged once a minute, counted, and costs a second each time."""
    machine = Machine(EAGER)
    machine.append(1)
    machine.source.trouble = OSError("gone")
    turns = machine.run(10)
    assert turns <= 12
    assert machine.loop.bugs >= 10
    assert [record.getMessage() for record in caplog.records] == ["reading the journal failed; it is tried again"]
    machine.source.trouble = None
    machine.turn()
    assert machine.sinks[0].lines == [line(1)]


def test_a_folder_that_cannot_be_read_is_somebody_elses(caplog: pytest.LogCaptureFixture) -> None:
    """Where what others left can't be seen, that is logged, and own points are delivered all the same."""
    machine = Machine(EAGER)

    def left() -> NoReturn:
        raise OSError("unmounted")

    machine.source.left = left  # type: ignore[method-assign]
    assert machine.loop.recover(lambda: True) == RecoveryPass(elsewhere=True)
    machine.append(1)
    machine.turn()
    assert machine.sinks[0].lines == [line(1)]
    assert "sending segments of dead processes failed" in caplog.text


def test_nothing_is_forgotten_while_the_journal_cannot_be_read() -> None:
    """A journal that can't be listed right now is not taken for an empty one."""
    machine = Machine(EAGER)
    machine.append(1)
    machine.turn()
    machine.source.trouble = OSError("gone")
    machine.loop.recover(lambda: True)
    assert machine.sinks[0].forgotten == []
