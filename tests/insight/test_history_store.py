"""The history passes the contract of all stores."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history import counting, last_runs, questions, walks
from otel_job_measure.history.database import Database
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.run_store import ALL, RunStore, Wanted
from otel_job_measure.journal.interfaces import Chunk
from otel_job_measure.testing import ManualClock
from tests.history.support import SECOND, history_in, rows
from tests.insight.contract import CLOCK_NS, NOW_NS, Load, StoreContract, compare, ended, some_runs, whole
from tests.insight.plain_store import PlainStore

_EVER_S = 1e9


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Ingests lines into a history as segments bring them."""

    def loaded(data: bytes) -> RunStore:
        clock = ManualClock(wall=CLOCK_NS)
        history = history_in(tmp_path, clock, retention_s=_EVER_S)
        history.fold([Chunk(segment="local-1.lp", offset=0, data=data, host="")])
        return HistoryStore(history, clock)

    return loaded


def test_rows_of_former_versions_are_counted_too(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may lack the id of their job, and are not in the index by job, beside rows of the same job that are."""
    monkeypatch.setattr(walks, "AT_ONCE", 70)
    data = some_runs(300, 11)
    store = load(data)
    path = tmp_path / "history.db"
    rows(path, "UPDATE runs SET job_id = NULL, filed = NULL WHERE id <= 200 AND (id % 3 = 0 OR job = 'job-7')")
    rows(path, "UPDATE runs SET filed = NULL WHERE id <= 200 AND id % 5 = 0")
    rows(path, "INSERT INTO pruning VALUES ('unfiled', 0, 200)")
    plain = PlainStore(data, CLOCK_NS)
    compare(store, plain)
    for wanted in (ALL, Wanted(job="job-7"), Wanted(job="job-*"), Wanted(job="job-3", words=("failed",))):
        assert store.recent(wanted, 4) == plain.recent(wanted, 4)
        assert store.latest(wanted, 30) == plain.latest(wanted, 30)
        assert list(store.starts(wanted)) == list(plain.starts(wanted))
        assert (store.count(wanted), store.failures(wanted)) == (plain.count(wanted), plain.failures(wanted))


def test_pages_of_counted_runs_lose_none(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs with equal times, and without a start, are each on one page, whatever their number."""
    data = b"".join(whole(f"r{n}", NOW_NS + n // 5, JobId(f"j{n % 5}")) for n in range(50))
    data += b"".join(ended(f"e{n}", NOW_NS + n // 5, JobId(f"k{n % 5}")) for n in range(30))
    for size in (1, 3, 10, 50, 80):
        monkeypatch.setattr(walks, "AT_ONCE", size)
        store = load(data)
        for wanted in (ALL, Wanted(since_ns=NOW_NS), Wanted(until_ns=NOW_NS + 5), Wanted(since_ns=NOW_NS + 2)):
            assert store.summaries(wanted) == PlainStore(data, CLOCK_NS).summaries(wanted)


def test_a_question_about_many_runs_keeps_no_process_from_the_file_for_long(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a transaction for each of some rows."""
    monkeypatch.setattr(walks, "AT_ONCE", 1000)
    store = load(some_runs(5000, 3))
    begun = _transactions(monkeypatch)
    assert [store.find("zz"), store.attempts("none")] == [[], []]
    assert 10 <= len(begun) <= 14


def test_a_question_about_many_jobs_keeps_no_process_from_the_file_for_long(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some tenths of a second, the next jobs are read in another transaction."""
    load(some_runs(5000, 3))
    begun = _transactions(monkeypatch)
    for step_s, fewest, most in ((0.0, 2, 2), (0.1, 80, 120)):
        store = HistoryStore(history_in(tmp_path, retention_s=_EVER_S), _Stepping(wall=CLOCK_NS, step_s=step_s))
        begun.clear()
        found = store.summaries(ALL)
        assert (len(found), sum(each.runs for each in found)) == (180, 5000)
        assert fewest <= len(begun) <= most


@dataclass(eq=False)
class _Stepping(ManualClock):
    """A clock on which some time passes between two looks."""

    step_s: float = 0.0

    def monotonic_ns(self) -> int:
        self.monotonic += int(self.step_s * SECOND)
        return self.monotonic


def _transactions(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Returns a list that gets an item for each transaction from now on."""
    begun: list[object] = []
    transaction = Database.transaction

    def counted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as they are given
        begun.append(args)
        return transaction(*args, **kwargs)

    monkeypatch.setattr(Database, "transaction", counted)
    return begun


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_the_latest_runs_of_a_job_that_began_at_once_are_ordered_by_their_ids(load: Load, count: int) -> None:
    """Whether the last of them still belongs to the answer or not, and in each of the jobs alone."""
    ties, other = JobId("ties"), JobId("other")
    places = (("d", 5), ("c", 9), ("a", 5), ("b", 5), ("e", 1))
    store = load(
        b"".join(whole(uuid, NOW_NS + at, ties) for uuid, at in places)
        + b"".join(whole(uuid, NOW_NS + at, other) for at, uuid in enumerate("xyz"))
    )
    found = {job: [mark.uuid for mark in marks] for job, marks in store.recent(ALL, count).items()}
    assert found == {other: ["z", "y", "x"][:count], ties: ["c", "d", "b", "a", "e"][:count]}


def test_the_last_runs_of_many_jobs_take_few_statements(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come some jobs at a time, in a transaction and a few statements for each some, not for each job."""
    monkeypatch.setattr(last_runs, "_AT_ONCE", 100)
    data = b"".join(whole(f"r{n}", NOW_NS + n, JobId(f"j{n % 450}", "p" * (n % 2))) for n in range(900))
    data += b"".join(ended(f"e{n}", NOW_NS + n, JobId(f"k{n}")) for n in range(50))
    store, asked = load(data), list[str]()
    opened = Database._open

    def traced(*args: Any) -> sqlite3.Connection:  # noqa: ANN401 - as they are given
        connection = opened(*args)
        connection.set_trace_callback(asked.append)
        return connection

    monkeypatch.setattr(Database, "_open", traced)
    found = store.last_runs(ALL)
    assert found == PlainStore(data, CLOCK_NS).last_runs(ALL)
    assert len(found) == 500
    assert sum("FROM" in each for each in asked) <= 40


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (ALL, "runs_by_job"),
        (Wanted(since_ns=NOW_NS), "runs_by_job"),
        (Wanted(job="job-*"), "runs_by_job"),
        (Wanted(host="web"), "INTEGER PRIMARY KEY"),
        (Wanted(host="web", since_ns=NOW_NS), "runs_by_start"),
        (Wanted(job="job-1", host="web"), "runs_by_job"),
    ],
)
def test_counting_goes_on_where_it_stopped(load: Load, tmp_path: Path, wanted: Wanted, index: str) -> None:
    """Each page is found by an index, so that all pages together read each row once; of one job, nothing is sorted."""
    load(some_runs(300, 5))
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        walk = walks.walks(connection, wanted).walks[0]
        plans: list[str] = []
        connection.set_trace_callback(plans.append)
        counting.Summing()(connection, walk, (1, NOW_NS + 5), (4, NOW_NS + 99))
        connection.set_trace_callback(None)
        found = [step[3] for plan in plans for step in connection.execute(f"EXPLAIN QUERY PLAN {plan}")]
    assert [step for step in found if step.startswith("SEARCH") and index in step], found
    assert not [step for step in found if step.startswith("SCAN runs")], found
    assert [step for step in found if "TEMP B-TREE" in step] == [] or index != "runs_by_job", found


def test_failures_are_counted_without_the_successes(load: Load, tmp_path: Path) -> None:
    """A report over a million runs meets only the few that failed."""
    load(some_runs(300, 5))
    plans: list[str] = []
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        walk = walks.walks(connection, ALL).walks[0]
        connection.set_trace_callback(plans.append)
        counting.failed(connection, walk, walk.begin, walk.end)
        connection.set_trace_callback(None)
        (search, *_) = [step[3] for step in connection.execute(f"EXPLAIN QUERY PLAN {plans[0]}")]
    assert "USING INDEX runs_without_success (job_id=? AND started_ns>?" in search


@pytest.mark.parametrize("question", ["latest", "starts", "open_runs"])
def test_ordered_answers_come_from_an_index(load: Load, tmp_path: Path, question: str) -> None:
    """Nothing is sorted but runs of one time, and a few rows at the end."""
    load(some_runs(300, 5))
    asked: list[str] = []
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        connection.set_trace_callback(asked.append)
        if question == "latest":
            questions.latest(connection, Wanted(since_ns=NOW_NS), 5)
        elif question == "starts":
            questions.starts(connection, ALL, questions.Place(NOW_NS, "r", 5), 5)
        else:
            questions.open_runs(connection, ALL)
        connection.set_trace_callback(None)
        plan = [each[3] for each in connection.execute(f"EXPLAIN QUERY PLAN {asked[0]}")]
    assert not [step for step in plan if step == "SCAN runs"], plan
    assert any("runs_by_" in step for step in plan), plan


_OF_ONE: dict[str, Callable[[RunStore, Wanted], object]] = {
    "latest": lambda store, one: store.latest(one, 5),
    "recent": lambda store, one: store.recent(one, 5),
    "count": lambda store, one: store.count(one),
    "starts": lambda store, one: list(store.starts(one)),
    "summaries": lambda store, one: store.summaries(one),
    "failures": lambda store, one: store.failures(one),
    "last runs": lambda store, one: store.last_runs(one),
}


@pytest.mark.parametrize("question", _OF_ONE)
def test_a_question_about_one_job_reads_its_runs_alone(
    load: Load, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    """The runs of other jobs cost it nothing: SQLite takes as many steps beside 4,000 of them as beside 40."""
    alone = b"".join(whole(f"a{n}", NOW_NS + 100 * n, JobId("one")) for n in range(20))
    steps: list[int] = []
    for others in (40, 4000):
        crowd = b"".join(whole(f"o{n}", NOW_NS + n, JobId("other")) for n in range(others))
        store = load(alone + crowd)
        taken = _steps(monkeypatch)
        found = _OF_ONE[question](store, Wanted(job="one"))
        steps.append(len(taken))
        monkeypatch.undo()
        assert found == _OF_ONE[question](PlainStore(alone, CLOCK_NS), Wanted(job="one"))
    assert steps[1] <= steps[0] + 20, steps


def test_a_clock_that_was_set_back_costs_no_look_at_all_runs(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is noted as last is of the future then: each job's last run and success before now are searched."""
    steps: list[int] = []
    for count in (40, 4000):
        data = b"".join(whole(f"r{n}", NOW_NS + SECOND * n) for n in range(count - 30, count))
        load(b"".join(whole(f"r{n}", NOW_NS + SECOND * n) for n in range(count)))
        now_ns = NOW_NS + SECOND * (count - 20)
        taken = _steps(monkeypatch)
        (found,) = HistoryStore(history_in(tmp_path, retention_s=_EVER_S), ManualClock(wall=now_ns)).last_runs(ALL)
        steps.append(len(taken))
        monkeypatch.undo()
        assert [found] == PlainStore(data, now_ns).last_runs(ALL)
    assert steps[1] <= steps[0] + 20, steps


def _steps(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Returns a list that gets an item for each ten of SQLite's operations in a question."""
    taken: list[None] = []
    opened = Database._open

    def watched(*args: Any) -> sqlite3.Connection:  # noqa: ANN401 - as they are given
        connection = opened(*args)
        connection.set_progress_handler(lambda: taken.append(None), 10)
        return connection

    monkeypatch.setattr(Database, "_open", watched)
    return taken


class TestHistoryStore(StoreContract):
    """The history."""
