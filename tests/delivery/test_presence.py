"""The rows that no journal has: what runs now, and how complete the sender's rows are."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from otel_job_measure import names
from otel_job_measure.delivery.completeness import Completeness, Word
from otel_job_measure.delivery.consumer import Consumer
from otel_job_measure.delivery.delivery_loop import DeliveryLoop
from otel_job_measure.delivery.presence import Presence
from otel_job_measure.journal.vitals import OpenStart
from otel_job_measure.points.line_protocol import lines, parse
from otel_job_measure.points.monitor import Alive, MonitorRow, Sender
from otel_job_measure.points.monitor_rows import row_of
from otel_job_measure.testing import ManualClock
from tests.delivery.support import HOLD, RETRY, FakeSegment, FakeSource, ListSink, line, segment

_SECOND = 1_000_000_000
_START = 1_800_000_000 * _SECOND
_MARGIN = 2 * _SECOND


@dataclass
class FakeVitals:
    """What a sender knows, as a test says it."""

    starts: list[OpenStart] = field(default_factory=list[OpenStart])
    unwritten: bool = False
    speaks_for_all: bool = False

    def open_runs(self) -> Sequence[OpenStart]:
        return self.starts

    def slot(self) -> int:
        return 42

    def has_unwritten(self) -> bool:
        return self.unwritten


class FakeTeller:
    """Keeps what it is told, unless it is down."""

    def __init__(self) -> None:
        self.told: list[MonitorRow] = []
        self.attempts = 0
        self.is_down = False

    def tell(self, lines: Sequence[bytes], *, deadline_ns: int | None = None) -> bool:
        self.attempts += 1
        if not self.is_down:
            self.told += [row for each in lines if (row := row_of(parse(each))) is not None]
        return not self.is_down


class Machine:
    """A delivery loop with a presence, driven by a clock that the test moves."""

    def __init__(self, *, heartbeat_s: float = 60.0, speaks_for_all: bool = False) -> None:
        self.clock = ManualClock()
        self.source = FakeSource()
        self.sink = ListSink()
        self.vitals = FakeVitals(speaks_for_all=speaks_for_all)
        self.teller = FakeTeller()
        presence = Presence(
            self.teller,
            self.vitals,
            host="web-1",
            heartbeat_s=heartbeat_s,
            clock=self.clock,
            uniform=lambda _low, high: high,
        )
        consumer = Consumer(self.sink, clock=self.clock)
        self.loop = DeliveryLoop(self.source, [consumer], presence=presence, clock=self.clock)

    def start(self, number: int, *, ago_s: float = 0.0) -> None:
        """Opens a run."""
        began_ns = self.clock.wall_ns() - int(ago_s * 1e9)
        self.vitals.starts.append(OpenStart(line(number, began_ns - number), 42, "web-1"))

    def turn(self, *, after_s: float = 0.0) -> None:
        self.clock.advance(after_s)
        self.loop.turn(lambda: True)

    @property
    def alive(self) -> list[Alive]:
        return [row for row in self.teller.told if isinstance(row, Alive)]

    @property
    def words(self) -> list[Sender]:
        return [row for row in self.teller.told if isinstance(row, Sender)]


def test_a_long_run_gives_a_sign_of_life_each_minute() -> None:
    """With its tags, id, host and age; the row's time ends with the slot, like the run's own rows."""
    machine = Machine()
    machine.start(7)
    for _ in range(3):
        machine.turn(after_s=60)
    assert [round(row.age_s, 3) for row in machine.alive] == [60.0, 120.0, 180.0]
    first = machine.alive[0]
    assert (first.tags, first.uuid, first.host, first.interval_s) == ({"job": "j"}, f"{7:012}", "web-1", 60.0)
    assert {row.at_ns % 1000 for row in machine.alive} == {42}


def test_the_start_of_a_run_follows_from_each_sign_of_life() -> None:
    """To the nanosecond: two checkers that see different rows of a run say the same of it."""
    machine = Machine()
    for number in range(3):
        machine.start(number, ago_s=100_000.123456789)
    machine.turn(after_s=60)
    machine.turn(after_s=60)
    starts = {row.uuid: {row.at_ns - round(row.age_s * 1e9) for row in machine.alive} for row in machine.alive}
    assert [len(found) for found in starts.values()] == [1, 1, 1]


def test_a_short_run_costs_nothing() -> None:
    """No row for a run under a minute."""
    machine = Machine()
    machine.start(7)
    machine.turn(after_s=59)
    machine.vitals.starts.clear()
    machine.turn(after_s=1)
    machine.start(8)
    machine.turn(after_s=30)
    assert machine.alive == []


def test_two_runs_of_one_job_have_two_rows() -> None:
    """InfluxDB merges rows of one series and time, and one run would seem silent."""
    machine = Machine()
    for number in range(50):
        machine.start(number, ago_s=100)
    machine.turn(after_s=60)
    assert len({row.at_ns for row in machine.alive}) == 50


def test_what_is_no_start_line_is_left_out() -> None:
    """Another program has written into the segment."""
    machine = Machine()
    machine.vitals.starts = [
        OpenStart(text, 1, "h") for text in (b"", b"# holds x", b"scheduling-job,job=j a=1 5", b"x")
    ]
    machine.start(7, ago_s=100)
    machine.turn(after_s=60)
    assert [row.uuid for row in machine.alive] == [f"{7:012}"]


def test_no_sign_of_life_follows_an_outage() -> None:
    """What could not be said is forgotten: afterwards, only the present is said."""
    machine = Machine()
    machine.start(7)
    machine.turn(after_s=60)
    machine.teller.is_down = True
    for _ in range(5):
        machine.turn(after_s=60)
    machine.teller.is_down = False
    machine.turn(after_s=60)
    assert [round(row.age_s, 3) for row in machine.alive] == [60.0, 420.0]


def test_a_server_that_is_known_to_be_down_is_not_asked() -> None:
    """The wait after a failure counts for these rows too; the next minute says them."""
    machine = Machine()
    machine.start(7)
    machine.sink.always = HOLD
    machine.source.append(line(1))
    machine.turn(after_s=60)
    assert machine.teller.attempts == 0
    machine.sink.always = RETRY
    machine.turn(after_s=61)
    assert machine.teller.attempts == 0


def test_a_sender_says_that_it_has_sent_everything() -> None:
    """Up to two seconds before: a point may be stamped and not yet appended."""
    machine = Machine()
    machine.source.append(line(1))
    machine.turn(after_s=60)
    (word,) = machine.words
    assert (word.host, word.pending, word.left) == ("web-1", 0, False)
    assert word.complete_until_ns == machine.clock.wall_ns() - _MARGIN
    assert word.at_ns % 1000 == 42


def test_the_first_word_comes_within_fifteen_seconds() -> None:
    """A machine may be gone soon; the next words come each minute."""
    machine = Machine()
    machine.source.append(line(1))
    said: list[int] = []
    for _ in range(200):
        machine.turn(after_s=1)
        said.append(len(machine.words))
    assert said.index(1) <= 15
    assert said[-1] in {4, 5}


def test_a_backlog_is_said() -> None:
    """Complete is what was complete at the last look without one."""
    machine = Machine()
    machine.turn(after_s=50)  # its first word
    then = machine.clock.wall_ns()
    machine.source.append(line(1))
    machine.sink.always = RETRY
    machine.turn(after_s=54)
    machine.clock.advance(6)
    machine.loop.speak()
    (_, word) = machine.words
    assert word.complete_until_ns == then - _MARGIN
    assert word.pending > 0


def test_points_in_memory_are_no_completeness() -> None:
    """On a full disk they are in no segment, and the server lacks them all the same."""
    machine = Machine()
    machine.turn(after_s=50)
    then = machine.clock.wall_ns()
    machine.vitals.unwritten = True
    machine.turn(after_s=10)
    assert [word.complete_until_ns for word in machine.words] == [then - _MARGIN]


def test_a_process_that_ends_says_so() -> None:
    """With what it could not send, so that its silence afterwards means nothing."""
    machine = Machine()
    machine.source.append(line(1))
    machine.loop.finish(machine.clock.monotonic_ns() + _SECOND, patient=False)
    (word,) = machine.words
    assert (word.left, word.pending, word.complete_until_ns) == (True, 0, machine.clock.wall_ns())


def test_a_slow_server_hears_that_a_process_ends() -> None:
    """It has all points; without the word, the silence afterwards would be an alarm."""
    machine = Machine()
    machine.source.append(line(1))
    machine.sink.during = lambda: machine.clock.advance(2)
    machine.loop.finish(machine.clock.monotonic_ns() + 5 * _SECOND, patient=False)
    assert [(word.left, word.pending) for word in machine.words] == [(True, 0)]


def test_a_process_that_ends_without_its_server_says_nothing() -> None:
    """One request that fails is enough at an exit."""
    machine = Machine()
    machine.source.append(line(1))
    machine.sink.always = RETRY
    machine.loop.finish(machine.clock.monotonic_ns() + _SECOND, patient=False)
    assert machine.teller.attempts == 0


def test_signs_of_life_can_come_more_often_than_words_need() -> None:
    """A sender speaks at least each minute, whatever the interval."""
    machine = Machine(heartbeat_s=300.0)
    machine.start(7, ago_s=1000)
    for _ in range(6):
        machine.turn(after_s=60)
    assert (len(machine.words), len(machine.alive)) == (6, 1)


def test_the_loop_wakes_up_in_time() -> None:
    """It waits no longer than until the next row."""
    machine = Machine(heartbeat_s=5.0)
    assert machine.loop.wait_s() <= 5.0


class TestCompleteness:
    """Up to when a server has everything."""

    def test_segments_of_dead_processes_count_from_their_beginning(self) -> None:
        """Their lines may be older than the last look without them."""
        seen = Completeness(speaks_for_all=False)
        seen.own(_START, [], is_all=True)
        seen.left(_START, [], is_all=True)
        seen.left(_START + 9, [(_old(_START - 50), 100), (_old(_START - 20), 10)], is_all=True)
        assert seen.word() == Word(_START - 50 - _MARGIN, 110)
        seen.left(_START + 20, [], is_all=False)
        assert seen.word() == Word(_START - 50 - _MARGIN, 0)
        seen.own(_START + 30, [], is_all=True)
        seen.left(_START + 30, [], is_all=True)
        assert seen.word() == Word(_START + 30 - _MARGIN, 0)

    def test_another_process_speaks_for_what_it_sends(self) -> None:
        """What it has not sent yet holds back no word of this one."""
        seen = Completeness(speaks_for_all=False)
        seen.left(_START, [(_old(5), 100)], is_all=True)
        seen.left_to_another()
        seen.own(_START, [], is_all=True)
        assert seen.word() == Word(_START - _MARGIN, 0)

    def test_ship_speaks_for_all(self) -> None:
        """It says nothing is complete before its first look, and keeps its word while another process has the lock."""
        seen = Completeness(speaks_for_all=True)
        seen.own(_START, [], is_all=True)
        seen.left_to_another()
        assert seen.word() == Word(0, 0)
        seen.left(_START, [], is_all=True)
        seen.own(_START + 60, [], is_all=True)
        seen.left_to_another()
        assert seen.word() == Word(_START - _MARGIN, 0)

    def test_a_new_process_with_a_backlog(self) -> None:
        """Its lines are later than its segment's beginning; a beginning in the future counts as now."""
        seen = Completeness(speaks_for_all=False)
        seen.own(_START, [(_old(_START - 9), 5), (_old(_START + 10**18), 5)], is_all=True)
        assert seen.word() == Word(_START - 9 - _MARGIN, 10)


def _old(created_ns: int) -> FakeSegment:
    made = segment("left-0", line(1))
    made.header = made.header._replace(created_ns=created_ns)
    return made


def test_the_names_of_the_rows_are_ours() -> None:
    """`ship` sends lines of these measurements only."""
    machine = Machine()
    machine.start(1, ago_s=100)
    machine.turn(after_s=60)
    assert {names.ALIVE, names.SENDERS} <= set(names.MEASUREMENTS)
    assert lines(b"# a\n") == []
