from typing import NoReturn

import pytest

from otel_job_measure.delivery.backlog import Backlog
from otel_job_measure.delivery.backoff import Backoff
from otel_job_measure.delivery.lane import EAGER, LAZY, Lane, Policy
from otel_job_measure.delivery.rounds import Looked, Rounds
from otel_job_measure.journal.counters import Counters
from tests.delivery.support import DONE, HOLD, RETRY, FakeSource, HandClock, ListSink, line, segment


class Machine:
    """Rounds over fakes, with a clock that goes on by as much as they wait."""

    def __init__(self, *policies: Policy, drops: bool = True) -> None:
        self.clock = HandClock()
        self.source = FakeSource()
        self.sinks = [ListSink(f"sink{number}") for number, _ in enumerate(policies)]
        self.counters = Counters()
        self.backlog = Backlog(self.counters)
        self.going = True
        self.rounds = Rounds(
            self.source,
            [
                Lane(sink, policy, clock=self.clock, backoff=Backoff(uniform=lambda _least, most: most))
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
        self.counters.appended(len(numbers))

    def turn(self) -> None:
        self.rounds.turn(lambda: self.going)

    def run(self, seconds: float) -> int:
        """Runs for some time, and returns how often there was something to do."""
        ends_ns = self.clock.monotonic_ns() + int(seconds * 1e9)
        turns = 0
        while self.clock.monotonic_ns() < ends_ns:
            self.turn()
            self.clock.advance(max(0.001, self.rounds.wait_s()))
            turns += 1
        return turns

    def finish(self, seconds: float, *, patient: bool = False) -> None:
        self.rounds.finish(self.clock.monotonic_ns() + int(seconds * 1e9), patient=patient)


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
    assert machine.rounds.has_delivered("own-0") or machine.rounds.has_everything()


def test_what_another_process_ships_is_not_dropped() -> None:
    """With SHIP=off the history takes its part, and the segments stay for whoever delivers them."""
    machine = Machine(LAZY, drops=False)
    machine.append(1)
    machine.source.rotate()
    machine.source.others = [segment("left", line(2))]
    machine.run(70)
    assert machine.source.dropped == []
    assert machine.sinks[0].lines == [line(2), line(1)]
    assert not machine.rounds.has_everything()


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
    assert machine.rounds.look(lambda: True) == Looked(elsewhere=True)
    assert machine.sinks[0].forgotten == []


def test_a_look_tells_what_is_left() -> None:
    """After a look a command knows how much could not be sent."""
    machine = Machine(EAGER)
    left = segment("left", line(1))
    machine.source.others = [left]
    machine.sinks[0].answers = [RETRY]
    assert machine.rounds.look(lambda: True) == Looked(pending_bytes=left.size())
    assert machine.rounds.is_down
    machine.rounds.try_now()
    assert machine.rounds.look(lambda: True) == Looked(pending_bytes=0)


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
    assert machine.rounds.has_delivered("own-0")
    machine.run(3500)
    assert machine.source.dropped == []
    machine.run(200)
    assert machine.source.dropped == ["own-0"]


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
    assert machine.rounds.bugs >= 10
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
    assert machine.rounds.look(lambda: True) == Looked(elsewhere=True)
    machine.append(1)
    machine.turn()
    assert machine.sinks[0].lines == [line(1)]
    assert "sending what others left failed" in caplog.text


def test_nothing_is_forgotten_while_the_journal_cannot_be_read() -> None:
    """A journal that can't be listed right now is not taken for an empty one."""
    machine = Machine(EAGER)
    machine.append(1)
    machine.turn()
    machine.source.trouble = OSError("gone")
    machine.rounds.look(lambda: True)
    assert machine.sinks[0].forgotten == []


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
    assert machine.rounds.has_everything()


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
    assert not machine.rounds.has_everything()


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
