"""A wall clock that steps by an hour, on a machine that runs a job, sends its rows and checks it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure.expectations.expectation import ExpectedJob
from otel_job_measure.insight import checker_memory
from otel_job_measure.insight.check_rows import new_rows
from otel_job_measure.insight.look import look
from otel_job_measure.insight.notify.look import look_of
from otel_job_measure.insight.notify.memory import Memory
from otel_job_measure.insight.notify.notifier import Notifier
from otel_job_measure.points.monitor import Event, Sender, State
from otel_job_measure.testing import ManualClock
from tests.insight.notify.test_notifier import Ops
from tests.insight.plain_store import PlainStore

from .made import HOUR, at, expected, run, sender

MINUTE: Final = 60.0
JOB: Final = "nightly (billing, production)"
MISSED, OVER = f"[CRITICAL] {JOB} missed", f"[OK] {JOB} missed: over"
CLOCK: Final = ["[WARNING] a clock", "[OK] a clock: over"]


class _Store(PlainStore):
    """The rows of one host; of its words and its states, only the last one by its time is found."""

    def __init__(self) -> None:
        super().__init__(b"", 0)
        self._runs = [run(hour * HOUR + 5, hour * HOUR + 15) for hour in range(-6, 0)]
        self.rows: list[Event | State] = []
        self.words: list[Sender] = []

    def ran(self, seconds: float) -> None:
        """Has a run that began then."""
        self._runs.append(run(seconds, seconds + 10, f"run {len(self._runs)}"))

    def events(self, since_ns: int, until_ns: int | None = None) -> list[Event]:
        del until_ns
        return [row for row in self.rows if isinstance(row, Event) and row.at_ns >= since_ns]

    def states(self) -> list[State]:
        return sorted((row for row in self.rows if isinstance(row, State)), key=lambda row: row.at_ns)[-1:]

    def senders(self, since_ns: int) -> list[Sender]:
        del since_ns
        return sorted(self.words, key=lambda word: word.at_ns)[-1:]

    def expectations(self) -> Sequence[ExpectedJob]:
        return [expected(first_seen=-6 * HOUR, schedule="0 * * * *", timezone="UTC", max_age_s=2.5 * HOUR)]


class _Machine:
    """Its clock goes from -1 min on by minutes, and can be set; a job runs each full hour of the clock, as by cron."""

    def __init__(self, folder: Path, *, is_history: bool) -> None:
        self.wall = -MINUTE
        self.store, self.ops = _Store(), Ops()
        self.runs = True
        self._folder, self._is_history = folder, is_history

    def live(self, hours: float) -> None:
        """Lets so much time pass, with a look each minute."""
        for _ in range(round(hours * 60)):
            self.wall += MINUTE
            if self.wall % HOUR == 0 and self.runs:
                self.store.ran(self.wall + 5)
            self.store.words.append(sender("a", self.wall + 20))
            self._look(self.wall + 30)

    def _look(self, seconds: float) -> None:
        clock, folder = ManualClock(wall=at(seconds)), self._folder
        complete_ns = clock.wall if self._is_history else None
        found = look(self.store, complete_until_ns=complete_ns, folder=folder, remembers=True, clock=clock)
        self.store.rows += new_rows(found, self.store)
        targets = [self.ops.target]
        notifier = Notifier(Memory(folder), targets, lambda _: targets, clock=clock)
        notifier.tell(look_of(found, self.store, lambda _: True))

    def events(self) -> list[tuple[str, float, bool]]:
        """Returns the events: what, when in hours, and whether it was withdrawn."""
        found = (row for row in self.store.rows if isinstance(row, Event))
        return [(row.event, (row.at_ns - at(0)) / HOUR / 1e9, row.withdrawn) for row in found]


@pytest.fixture(params=["history", "influxdb"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> _Machine:
    """A machine whose job has run each hour for six hours."""
    return _Machine(tmp_path / "state", is_history=request.param == "history")


def test_a_step_back_makes_nothing_missed(machine: _Machine) -> None:
    """The hour that comes twice has two runs; a warning says that times are wrong until the clock has caught up."""
    machine.live(2.5)
    machine.wall -= HOUR
    machine.live(3)
    assert machine.events() == []
    assert machine.ops.subjects == CLOCK


def test_a_true_miss_is_found_after_a_step_back(machine: _Machine) -> None:
    """In the hour that comes twice nothing can be missed, and after it everything can."""
    machine.live(2.5)
    machine.wall -= HOUR
    machine.runs = False
    machine.live(4)
    assert machine.events() == [("missed", 3.0, False), ("missed", 4.0, False), ("missed", 5.0, False)]
    assert machine.ops.subjects == [*CLOCK, MISSED, f"[CRITICAL] {JOB} stale"]


def test_a_due_time_that_a_step_passes_over_is_missed_once(machine: _Machine) -> None:
    """No run started for it; the next run clears it."""
    machine.live(2.5)
    machine.wall += HOUR
    machine.live(2)
    assert machine.events() == [("missed", 3.0, False), ("recovered", 4 + 5 / 3600, False)]
    assert machine.ops.subjects == [MISSED, OVER]


def test_a_miss_of_a_clock_that_was_ahead_is_taken_back(machine: _Machine) -> None:
    """The clock is set an hour ahead and back again: the job runs when its due time really comes."""
    machine.live(2.5)
    machine.wall += HOUR
    machine.live(0.2)
    machine.wall -= HOUR
    machine.live(2)
    assert machine.events() == [("missed", 3.0, False), ("missed", 3.0, True)]
    told = machine.ops.subjects
    assert [each for each in told if each not in CLOCK] == [MISSED, OVER]


def test_the_checkers_memory_survives_a_step_back(tmp_path: Path) -> None:
    """An outage goes on over it, and a time without a look that lies in the future hides no silent host."""
    machine = _Machine(tmp_path / "state", is_history=False)
    machine.live(1)
    machine.wall += HOUR
    machine.live(0.1)
    ahead = checker_memory.read(tmp_path / "state")
    assert ahead.looked_ns == at(machine.wall + 30)
    machine.wall -= HOUR
    now_ns = at(machine.wall)
    known = ahead.as_of(now_ns)
    assert all(gap.until_ns <= now_ns for gap in known.gaps_at(now_ns))
    for minute in range(62):
        now_ns = at(machine.wall + minute * MINUTE)
        known = known.as_of(now_ns).after_failure(now_ns)
    assert [gap for gap in known.gaps if gap.until_ns == now_ns] == [(at(machine.wall), now_ns)]
    assert known.unanswered(now_ns) is not None
