"""The runs of a job, page by page."""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import pytest

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.job_runs import MOST_READ, Place, RunsPage, newer_runs, older_runs, place_of
from otel_job_measure.insight.run_store import RunStore, Wanted
from tests.web.conftest import store_in
from tests.web.made import Made

JOB = JobId("job", "shop")
WANTED = Wanted.of_job(JOB)
RUNS = 1_000_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> HistoryStore:
    """A history in which 130 runs started in the same nanosecond, and others two by two."""
    folder = tmp_path_factory.mktemp("pages") / "state"
    made = Made(time.time_ns())
    for number in range(300):
        made.run(JOB, 5000 if 100 <= number < 230 else 10 * (number // 2), 1.0, "error" if number % 10 == 0 else None)
    made.run(JobId("other", "shop"), 50, 1.0)
    made.write(folder)
    return store_in(folder)


def pages_from(store: RunStore, page: RunsPage, size: int) -> Iterator[RunsPage]:
    """Yields a page and all older ones."""
    yield page
    while page.older is not None:
        page = older_runs(store, WANTED, size, before=page.older)
        yield page


@pytest.mark.parametrize("size", [1, 7, 50, 130, 299, 300, 301])
def test_each_run_is_on_one_page(store: HistoryStore, size: int) -> None:
    """In the order of their times, and of their ids where the time is the same; there and back."""
    pages = list(pages_from(store, older_runs(store, WANTED, size), size))
    runs = store.latest(WANTED, 1000)
    assert [run.uuid for page in pages for run in page.runs] == [run.uuid for run in runs]
    assert all(len(page.runs) == size for page in pages[:-1])
    assert pages[0].newer is None
    for before, page in pairwise(pages):
        assert page.newer is not None
        back = newer_runs(store, WANTED, size, after=page.newer)
        assert [run.uuid for run in back.runs] == [run.uuid for run in before.runs]


def test_what_is_known_is_not_asked_for_again(store: HistoryStore) -> None:
    """The page goes on behind the runs that are known."""
    known = store.latest(WANTED, 20)
    page = older_runs(store, WANTED, 50, known=known)
    assert list(page.runs) == store.latest(WANTED, 50)


def test_a_search_finds_the_same_on_all_pages(store: HistoryStore) -> None:
    """Only runs that fit fill a page."""
    found: list[RunRecord] = []
    page = older_runs(store, WANTED, 4, fits=lambda run: run.status == "failed")
    found += page.runs
    while page.older is not None:
        page = older_runs(store, WANTED, 4, before=page.older, fits=lambda run: run.status == "failed")
        found += page.runs
    assert found == [run for run in store.latest(WANTED, 1000) if run.status == "failed"]
    assert len(found) == 30


class Endless:
    """A job with a million runs, one a second, of which only those exist that are asked for."""

    def __init__(self, like: RunRecord) -> None:
        self.like = like
        self.given = 0

    def run(self, number: int) -> RunRecord:
        """Returns a run."""
        self.given += 1
        return replace(self.like, uuid=f"run-{number:07}", started_ns=number * 10**9)

    def latest(self, wanted: Wanted, limit: int) -> list[RunRecord]:
        """Returns runs, the newest first."""
        last = RUNS - 1 if wanted.until_ns is None else min(RUNS - 1, -(-wanted.until_ns // 10**9) - 1)
        return [self.run(number) for number in range(last, max(-1, last - limit), -1)]

    def starts(self, wanted: Wanted) -> Iterator[RunRecord]:
        """Yields runs, the oldest first."""
        return (self.run(number) for number in range(-(-(wanted.since_ns or 0) // 10**9), RUNS))


def test_a_page_costs_the_same_wherever_it_is(store: HistoryStore) -> None:
    """However many runs are newer or older, a page reads a few more than it shows."""
    job: Any = Endless(store.latest(WANTED, 1)[0])
    for place in (None, Place(999_000 * 10**9, "x"), Place(17 * 10**9, ""), Place(500_000 * 10**9, "x")):
        job.given = 0
        page = older_runs(cast("RunStore", job), WANTED, 50, before=place)
        assert len(page.runs) == (17 if place and place.at_ns == 17 * 10**9 else 50)
        assert job.given <= 60
        if place is not None:
            job.given = 0
            assert len(newer_runs(cast("RunStore", job), WANTED, 50, after=place).runs) == 50
            assert job.given <= 60


def test_a_search_goes_on_where_it_ended(store: HistoryStore) -> None:
    """A search reads so many runs at once, says how far it came, and its links reach the oldest run."""
    job: Any = Endless(store.latest(WANTED, 1)[0])

    def is_first(run: RunRecord) -> bool:
        return run.uuid == "run-0000000"

    page = older_runs(cast("RunStore", job), WANTED, 50, fits=is_first)
    assert (page.runs, page.read, page.reached_ns) == ((), MOST_READ, (RUNS - MOST_READ) * 10**9)
    count = 1
    while page.older is not None:
        page = older_runs(cast("RunStore", job), WANTED, 50, before=page.older, fits=is_first)
        count += 1
    assert [run.uuid for run in page.runs] == ["run-0000000"]
    assert count == RUNS // MOST_READ
    assert job.given < 1.5 * RUNS
    job.given = 0
    newer = newer_runs(cast("RunStore", job), WANTED, 50, after=Place(0, "run-0000000"), fits=is_first)
    assert newer.runs == ()
    assert newer.newer == place_of(job.run(MOST_READ - 1))
