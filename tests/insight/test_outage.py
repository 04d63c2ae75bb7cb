"""InfluxDB or the checker is away for a day, with 300 jobs: nothing false is told, and then all that is true, once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from otel_job_measure.errors import StoreError
from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight import checker_memory
from otel_job_measure.insight.check_rows import new_rows
from otel_job_measure.insight.look import look
from otel_job_measure.insight.notify.look import look_in_vain, look_of
from otel_job_measure.insight.notify.memory import Memory
from otel_job_measure.insight.notify.notifier import Notifier
from otel_job_measure.insight.run_store import Wanted
from otel_job_measure.points.monitor import Event, Sender
from otel_job_measure.testing import ManualClock
from tests.insight.notify.test_notifier import Ops
from tests.insight.plain_store import PlainStore

from .made import DAY, HOUR, at, expected, run, sender

JOBS: Final = [JobId(f"job {number:03}") for number in range(300)]
GONE: Final = JOBS[7:10]
"""These do not run any more from the 22nd hour of the outage on."""
ONCE: Final = JOBS[:5]
"""These miss the 7th hour."""


class _Store(PlainStore):
    """A server with what has arrived, which can be away."""

    def __init__(self) -> None:
        super().__init__(b"", 0)
        self.until = 0.0
        self.words: Sequence[Sender] = ()
        self.is_away = False
        self.kept: list[Event] = []

    def starts(self, wanted: Wanted) -> Iterator[RunRecord]:
        if self.is_away:
            raise StoreError("no answer")
        yield from super().starts(wanted)

    def arrived(self, until: float) -> None:
        """Has all runs that ended by a time, in seconds."""
        self._runs = [each for each in ALL if (each.ended_ns or 0) <= at(until)]

    def events(self, since_ns: int, until_ns: int | None = None) -> list[Event]:
        del until_ns
        return [event for event in self.kept if event.at_ns >= since_ns]

    def senders(self, since_ns: int) -> list[Sender]:
        del since_ns
        return list(self.words)

    def expectations(self) -> Sequence[ExpectedJob]:
        hourly = expected(first_seen=-6 * HOUR, schedule="0 * * * *", timezone="UTC")
        return [replace(hourly, job=job) for job in JOBS]


def _ran(number: int, job: JobId, hour: int) -> RunRecord:
    of = run(hour * HOUR + 5, hour * HOUR + 15, f"{job.job} {hour}", host="ab"[number % 2])
    return replace(of, job=job.job, project=None, stage=None)


ALL: Final = [
    _ran(number, job, hour)
    for number, job in enumerate(JOBS)
    for hour in range(-6, 26)
    if not (job in ONCE and hour == 7) and not (job in GONE and hour >= 22)
]


class _Checker:
    """Looks and tells, each time as a new process would."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.ops = folder, _Store(), Ops()

    def look(self, seconds: float) -> Counter[str]:
        """Returns how many jobs are in which state."""
        clock = ManualClock()
        clock.wall = at(seconds)
        targets = [self.ops.target]
        notifier = Notifier(Memory(self.folder), targets, lambda _: targets, clock=clock)
        try:
            found = look(self.store, complete_until_ns=None, folder=self.folder, remembers=True, clock=clock)
        except StoreError:
            finding = checker_memory.read(self.folder).unanswered(at(seconds))
            if finding is not None:
                notifier.tell(look_in_vain(finding))
            return Counter()
        self.store.kept += [row for row in new_rows(found, self.store) if isinstance(row, Event)]
        notifier.tell(look_of(found, self.store, lambda _: True))
        return Counter(each.state.name for each in found.judgements)


def _missed(store: _Store) -> list[tuple[JobId, int | None]]:
    return sorted((event.job, event.due_ns) for event in store.kept if event.event == "missed")


def _true() -> list[tuple[JobId, int]]:
    later = [(job, at(hour * HOUR)) for job in GONE for hour in (22, 23, 24)]
    return sorted([*later, *((job, at(7 * HOUR)) for job in ONCE)])


def test_a_day_without_influxdb_is_one_warning_and_then_all_true_misses(tmp_path: Path) -> None:
    """Of 300 jobs on two hosts none is told meanwhile; then each miss has one event at its time."""
    checker = _Checker(tmp_path / "state")
    store = checker.store
    store.arrived(30)
    store.words = sender("a", 50), sender("b", 50)
    assert checker.look(60) == {"ok": 300}
    store.is_away = True
    for half in range(1, 48):
        assert checker.look(half * HOUR / 2) == {}
    store.is_away = False
    (warning,) = checker.ops.subjects
    assert "unknown" in warning
    assert checker.look(DAY - 60)["missed"] == 0  # it answers, and no host has spoken yet
    store.arrived(10 * HOUR)
    for now in (DAY + 60, DAY + 360, DAY + 660):
        store.words = [sender(host, now - 30, 10 * HOUR, pending=9) for host in "ab"]
        assert checker.look(now)["missed"] == 0
    waiting = ["[UNKNOWN] a unknown", "[UNKNOWN] b unknown", f"[OK] {warning.partition(' ')[2]}: over"]
    assert checker.ops.subjects == [warning, *waiting]  # the store answers, and both hosts have a backlog
    store.arrived(DAY + 900)
    store.words = sender("a", DAY + 890), sender("b", DAY + 890)
    assert checker.look(DAY + 900) == {"ok": 297, "missed": 3}
    checker.look(DAY + 960)
    assert _missed(store) == _true()
    over = [f"[OK] {host} unknown: over" for host in "ab"]
    assert sorted(checker.ops.subjects[4:]) == [*(f"[CRITICAL] {job.job} missed" for job in GONE), *over]


def test_a_day_without_the_checker_is_judged_afterwards(tmp_path: Path) -> None:
    """The rows arrived meanwhile; hosts have some minutes to speak, then each miss has one event at its time."""
    checker = _Checker(tmp_path / "state")
    store = checker.store
    store.arrived(30)
    store.words = sender("a", 50), sender("b", 50)
    assert checker.look(60) == {"ok": 300}
    store.arrived(DAY + 900)
    for now in (DAY + 900, DAY + 1200, DAY + 1510):
        store.words = [sender(host, now - 10) for host in "ab"]
        states = checker.look(now)
    assert states == {"ok": 297, "missed": 3}
    assert _missed(store) == _true()
    assert sorted(checker.ops.subjects) == [f"[CRITICAL] {job.job} missed" for job in GONE]
