"""The due times that APScheduler's own code says, as the state directory has them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.expectations.expectation import ExpectedJob
from otel_job_measure.integrations import apscheduler
from otel_job_measure.integrations.apscheduler_dues import due_times
from otel_job_measure.journal.expected_store import ExpectedStore

HOUR = timedelta(hours=1)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def work() -> None:
    """Is a job."""


class Told(import_module("apscheduler.schedulers.background").BackgroundScheduler):  # type: ignore[misc]  # it has no types
    """Its thread never wakes up: it would say the same due times beside the test, at any time."""

    def wakeup(self) -> None:
        """Does nothing."""


class Owner:
    """A scheduler that looks for its jobs when it is told to, and what is known of them."""

    def __init__(self, state_dir: Path) -> None:
        self.measure = JobMeasure(state_dir=state_dir, project="billing")
        apscheduler.install(measure=self.measure)
        self.scheduler: Any = Told()
        self.scheduler.start()
        self._store = ExpectedStore(state_dir)

    def add(self, job_id: str | None = "nightly", function: Any = work, **options: Any) -> Any:  # noqa: ANN401 - APScheduler's
        """Adds a job that is due each hour, unless said otherwise."""
        given = {"trigger": "interval", "hours": 1, **options}
        return self.scheduler.add_job(function, id=job_id, **{name: value for name, value in given.items() if value})

    def known(self) -> dict[str, ExpectedJob]:
        """Returns what the state directory says, after the scheduler looked once more."""
        while self.scheduler._process_jobs() == 0.25:
            pass
        self.measure.close()
        return {each.job.job: each for each in self._store.jobs()}

    def dues(self, job: str = "nightly") -> list[datetime]:
        """Returns the due times of the newest list of a job."""
        return [datetime.fromtimestamp(due / 1e9, UTC) for due in self.known()[job].due_lists[-1].dues_ns]


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    """The owner of a schedule."""
    owner = Owner(tmp_path / "state")
    yield owner
    owner.scheduler.shutdown()
    apscheduler.uninstall()


def test_the_next_eight_days(owner: Owner) -> None:
    """Under the job's name, by a source of its own, with the tags of its runs."""
    job = owner.add()
    (known,) = owner.known().values()
    assert (known.job.job, known.job.project, known.source) == ("nightly", "billing", "scheduler")
    assert known.expectation.by_scheduler
    dues = owner.dues()
    assert len(dues) == 8 * 24
    assert dues[0] == job.next_run_time.astimezone(UTC)
    assert known.due_lists[-1].until_ns > dues[-1].timestamp() * 1e9


def test_at_most_500(owner: Owner) -> None:
    """The list is complete up to its last."""
    owner.add(hours=None, minutes=1)
    dues = owner.dues()
    assert len(dues) == 500
    known = owner.known()["nightly"].due_lists[-1]
    assert known.until_ns == known.dues_ns[-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("pause_job", ["nightly"]),
        ("pause", []),
        ("remove_job", ["nightly"]),
        ("remove_all_jobs", []),
        ("reschedule_job", ["nightly", None, "date"]),
    ],
)
def test_a_change_is_said(owner: Owner, change: str, words: list[object]) -> None:
    """A job that is paused, removed or moved is due no more; resumed, it is due again."""
    owner.add()
    assert len(owner.dues()) > 1
    getattr(owner.scheduler, change)(*words, **({"run_date": FAR} if "date" in words else {}))
    assert owner.dues() == []
    if change == "pause":
        owner.scheduler.resume()
        assert len(owner.dues()) > 1


def test_with_jitter_only_the_next_due_time_is_sure(owner: Owner) -> None:
    """It is said anew after each run; a trigger inside another counts too."""
    job = owner.add(jitter=600)
    assert owner.dues() == [job.next_run_time.astimezone(UTC)]
    before = job.next_run_time
    owner.scheduler.modify_job("nightly", next_run_time=datetime.now(UTC))
    assert owner.dues()[-1] > before - HOUR
    combining, interval = (
        import_module("apscheduler.triggers.combining"),
        import_module("apscheduler.triggers.interval"),
    )
    trigger = combining.OrTrigger([interval.IntervalTrigger(hours=1), interval.IntervalTrigger(hours=2, jitter=60)])
    both = owner.scheduler.add_job(work, trigger, id="both")
    assert len(due_times(both, datetime.now(UTC)).dues_ns) == 1


def test_two_jobs_of_one_name(owner: Owner) -> None:
    """Their due times are one list: the id of each is random, and the name is that of their function."""
    owner.add(None)
    owner.add(None, start_date=datetime.now(UTC) + HOUR / 2)
    name = f"{__name__}:work"
    assert len(owner.dues(name)) > 300
    owner.scheduler.get_jobs()[0].remove()
    assert 100 < len(owner.dues(name)) < 200


def test_two_jobs_of_one_decorated_function(owner: Owner) -> None:
    """Their runs have the decorator's name, and so have their due times."""
    nightly = owner.measure.job("by its decorator")(work)
    owner.add("first", nightly)
    owner.add("second", nightly, start_date=datetime.now(UTC) + HOUR / 2)
    assert list(owner.known()) == ["by its decorator"]
    assert len(owner.dues("by its decorator")) > 300


def test_several_schedulers_in_a_process(owner: Owner) -> None:
    """Jobs of one name are one job; one that took the place of another scheduler is alone."""
    first, second = owner.scheduler, type(owner.scheduler)()
    owner.add()
    assert 100 < len(owner.dues()) < 200
    second.start()
    owner.scheduler = second
    owner.add(start_date=datetime.now(UTC) + HOUR / 2)
    assert len(owner.dues()) > 300
    first.shutdown()
    second.modify_job("nightly", max_instances=2)
    assert 100 < len(owner.dues()) < 200


def test_the_scheduler_wakes_up_each_hour(owner: Owner) -> None:
    """Also if nothing is due for a month; without the adapter it sleeps as long as ever."""
    assert owner.scheduler._process_jobs() <= 3600
    owner.scheduler.add_job(work, "date", run_date=FAR)
    assert owner.scheduler._process_jobs() <= 3600
    apscheduler.uninstall()
    assert owner.scheduler._process_jobs() > 3600
