"""A history that is old, newer, locked, missing or no history: each question answers, or gives one clear error."""

from collections.abc import Callable
from pathlib import Path

import pytest

from otel_job_measure.errors import BusyHistoryError, HistoryError, NewerHistoryError, StoreError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.history import History
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.run_store import ALL, RunStore, Wanted
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.testing import ManualClock
from tests.history.support import DAY, NOW_NS, SECOND, Lines, chunk, rows
from tests.history.test_upgrade import version_1

QUESTIONS: dict[str, Callable[[RunStore], object]] = {
    "latest": lambda store: store.latest(ALL, 5),
    "recent": lambda store: store.recent(ALL, 3),
    "count": lambda store: store.count(ALL),
    "find": lambda store: store.find("a"),
    "summaries": lambda store: store.summaries(ALL),
    "open": lambda store: store.open_runs(ALL),
    "last": lambda store: store.last_runs(ALL),
    "failures": lambda store: store.failures(ALL),
    "attempts": lambda store: store.attempts("t"),
    "starts": lambda store: list(store.starts(ALL)),
    "events": lambda store: store.events(0),
    "states": lambda store: store.states(),
    "senders": lambda store: store.senders(0),
    "expectations": lambda store: list(store.expectations()),
}


@pytest.fixture
def clock() -> ManualClock:
    """A clock that only waiting moves."""
    return ManualClock(wall=NOW_NS)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> HistoryStore:
    """A store over a file that is not there yet."""
    return HistoryStore(_history(tmp_path, clock), clock)


def _history(folder: Path, clock: ManualClock) -> History:
    return History(folder / "history.db", retention_s=1e9, clock=clock, pause=clock.advance)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_missing_history_is_empty_and_stays_missing(store: HistoryStore, tmp_path: Path, question: str) -> None:
    """Whoever only asks makes no file."""
    assert not QUESTIONS[question](store)
    assert list(tmp_path.glob("history*")) == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_newer_history_is_one_clear_error(
    store: HistoryStore, tmp_path: Path, clock: ManualClock, question: str
) -> None:
    """It says what to do, and the file is left as it is."""
    _history(tmp_path, clock).fold([chunk(Lines(uuid="a").start())])
    rows(tmp_path / "history.db", "PRAGMA user_version = 99")
    before = (tmp_path / "history.db").read_bytes()
    with pytest.raises(NewerHistoryError, match="upgrade this program"):
        QUESTIONS[question](store)
    assert (tmp_path / "history.db").read_bytes() == before


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_locked_history_is_waited_for_and_then_an_error(
    store: HistoryStore, tmp_path: Path, clock: ManualClock, question: str
) -> None:
    """A question gives up after some seconds, and says that another process is using the file."""
    _history(tmp_path, clock).fold([chunk(Lines(uuid="a").start())])
    held = lock(tmp_path / "history.lock")
    assert held is not None
    began_ns = clock.monotonic_ns()
    with pytest.raises(BusyHistoryError, match="in use by another process"):
        QUESTIONS[question](store)
    assert clock.monotonic_ns() - began_ns >= 5 * SECOND
    held.release()
    QUESTIONS[question](store)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_folder_in_place_of_the_file_is_one_clear_error(store: HistoryStore, tmp_path: Path, question: str) -> None:
    """Each error of a store is a `StoreError`, whatever the store."""
    (tmp_path / "history.db").mkdir()
    with pytest.raises(StoreError, match="no regular file") as raised:
        QUESTIONS[question](store)
    assert isinstance(raised.value, HistoryError)


def test_a_history_of_version_1_answers(store: HistoryStore, tmp_path: Path) -> None:
    """Its runs are counted beside newer ones of the same job, and its last runs are known."""
    version_1(tmp_path / "history.db")
    (found,) = store.summaries(ALL)
    job = JobId("nightly", "billing", "production")
    assert (found.job, found.runs, found.ended, found.running, found.p50_s) == (job, 2, 1, 1, 9.0)
    history = _history(tmp_path, ManualClock(wall=NOW_NS))
    history.fold([chunk(Lines(uuid="new").start(NOW_NS + DAY) + Lines(uuid="new").end(NOW_NS + DAY + 1))])
    (found,) = store.summaries(ALL)
    assert (found.runs, found.ended, found.longest_s) == (3, 2, 9.0)
    (last,) = store.last_runs(ALL)
    assert last.success is not None
    assert last.success.uuid in {"back", "new"}
    assert [each.run.uuid for each in store.open_runs(ALL)] == ["open"]


def test_a_clock_that_steps_back_hides_no_job(store: HistoryStore, tmp_path: Path, clock: ManualClock) -> None:
    """Runs that are then ahead of the clock count for a job that has no others."""
    first, second = Lines(uuid="first"), Lines(uuid="second")
    data = first.start(NOW_NS - 9 * DAY) + second.start(NOW_NS) + Lines(uuid="lone", job="other").start(NOW_NS)
    _history(tmp_path, clock).fold([chunk(data)])
    assert [each.run.uuid for each in store.last_runs(ALL)] == ["second", "lone"]
    late = HistoryStore(_history(tmp_path, clock), ManualClock(wall=NOW_NS - DAY))
    assert [each.run.uuid for each in late.last_runs(ALL)] == ["first", "lone"]
    assert late.count(Wanted(since_ns=NOW_NS - 10 * DAY)) == 3


def test_a_run_before_a_step_back_is_the_last_one_when_its_time_has_come(tmp_path: Path, clock: ManualClock) -> None:
    """It was ingested after the clock was set back by an hour; until then, the run before it counts."""
    history, store = _history(tmp_path, clock), HistoryStore(_history(tmp_path, clock), clock)
    history.fold([chunk(Lines(uuid="before").start(NOW_NS - DAY))])
    history.fold([chunk(Lines(uuid="ahead").start(NOW_NS + DAY // 24), "local-2.lp")])
    assert [each.run.uuid for each in store.last_runs(ALL)] == ["before"]
    clock.wall += DAY // 24
    assert [each.run.uuid for each in store.last_runs(ALL)] == ["ahead"]


def test_the_last_runs_are_right_whatever_comes_first(store: HistoryStore, tmp_path: Path, clock: ManualClock) -> None:
    """A run whose end is ingested before its start is not the last one if another began after it."""
    history = _history(tmp_path, clock)
    long, short = Lines(uuid="long"), Lines(uuid="short")
    history.fold([chunk(long.end(NOW_NS), "local-1.lp")])
    history.fold([chunk(short.start(NOW_NS - 5) + short.end(NOW_NS - 1), "local-2.lp")])
    history.fold([chunk(long.start(NOW_NS - DAY), "local-3.lp")])
    (last,) = store.last_runs(ALL)
    assert last.success is not None
    assert (last.run.uuid, last.success.uuid) == ("short", "short")


def test_last_runs_stay_whatever_the_retention(tmp_path: Path) -> None:
    """A job that stopped a year ago keeps its last run and its last success, complete."""
    clock = ManualClock(wall=NOW_NS)
    history = History(tmp_path / "history.db", retention_s=30 * 86_400, clock=clock, pause=clock.advance)
    old = Lines(uuid="success", job="stopped")
    data = old.start(NOW_NS - 400 * DAY) + old.end(NOW_NS - 400 * DAY + 1)
    data += Lines(uuid="open", job="stopped").start(NOW_NS - 399 * DAY)
    for day in range(398, -1, -1):
        data += Lines(uuid=f"d{day}").start(NOW_NS - day * DAY) + Lines(uuid=f"d{day}").end(NOW_NS - day * DAY + 1)
    history.fold([chunk(data)])
    for number in range(9):
        clock.advance(3600)
        history.fold([chunk(Lines(uuid=f"e{number}").start(NOW_NS + number), f"local-e{number}.lp")])
    store = HistoryStore(history, clock)
    assert store.count(ALL) < 100
    stopped = store.last_runs(Wanted(job="stopped"))[0]
    assert stopped.success is not None
    assert (stopped.run.uuid, stopped.success.uuid, stopped.success.duration_s) == ("open", "success", 0.75)
