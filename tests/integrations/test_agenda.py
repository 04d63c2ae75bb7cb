"""The due times that the owner of a schedule says: beat, RQ's cron, and any other."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from otel_job_measure import JobMeasure
from otel_job_measure.integrations import celery, rq
from otel_job_measure.integrations.agenda import Agenda, Entry
from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.journal.expected_store import ExpectedStore

HOUR = timedelta(hours=1)


def work() -> None:
    """Is a job."""


class Place:
    """A state directory with what is expected there."""

    def __init__(self, state_dir: Path) -> None:
        self.measure = JobMeasure(state_dir=state_dir)
        self._store = ExpectedStore(state_dir)

    def dues(self) -> dict[str, list[datetime]]:
        """Returns the due times of the newest list of each job."""
        self.measure.close()
        return {
            each.job.job: [datetime.fromtimestamp(due / 1e9, UTC) for due in each.due_lists[-1].dues_ns]
            for each in self._store.jobs()
        }


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """The place of the test, with nothing installed afterwards."""
    yield Place(tmp_path / "state")
    celery.uninstall()
    rq.uninstall()


def hourly(minute: int = 0) -> Iterator[datetime]:
    """Yields due times for ever."""
    at = datetime.now(UTC).replace(minute=minute, second=0, microsecond=0)
    while True:
        at += HOUR
        yield at


def breaks() -> Iterator[datetime]:
    """Is a schedule of the app's own, and fails."""
    raise RuntimeError
    yield


def test_entries_of_one_job_are_one_list(place: Place) -> None:
    """By the name of its runs, which is a decorator's if there is one; an entry that fails costs no other one."""
    nightly = place.measure.job("nightly")(work)
    agenda = Agenda(Adapter("test", place.measure))
    entries = [Entry("a", nightly, hourly(10)), Entry("broken", None, breaks()), Entry("b", nightly, hourly(40))]
    agenda.say("first", entries)
    dues = place.dues()
    assert list(dues) == ["nightly"]
    assert {due.minute for due in dues["nightly"]} == {10, 40}
    assert 2 * 8 * 24 - 2 <= len(dues["nightly"]) <= 2 * 8 * 24


def test_what_is_gone_is_due_no_more(place: Place) -> None:
    """A schedule that has not changed is not evaluated again; one that has lost an entry says so."""
    agenda = Agenda(Adapter("test", place.measure))
    agenda.say(1, [Entry("a", None, hourly()), Entry("b", None, hourly())])
    agenda.say(1, [Entry("a", None, breaks())])
    assert all(place.dues().values())
    agenda.say(2, [Entry("a", None, hourly())])
    dues = place.dues()
    assert dues["a"]
    assert dues["b"] == []


def test_beat_says_the_name_of_a_decorated_task(place: Place) -> None:
    """As its runs have it; an entry that was due long ago is sent now, and due from now on."""
    app: Any = import_module("celery").Celery("tests", set_as_current=False)
    crontab: Any = import_module("celery.schedules").crontab
    task: Any = app.task(name="agenda.nightly", shared=False)(place.measure.job("nightly")(work))
    app.conf.update(timezone="UTC", beat_schedule={"x": {"task": task.name, "schedule": crontab(minute=20)}})
    celery.install(measure=place.measure)
    scheduler: Any = import_module("celery.beat").Scheduler(app)
    scheduler.tick()
    dues = place.dues()
    assert list(dues) == ["nightly"]
    assert {due.minute for due in dues["nightly"]} == {20}
    assert len(dues["nightly"]) in {8 * 24 - 1, 8 * 24, 8 * 24 + 1}
    [entry] = scheduler.schedule.values()
    entry.last_run_at = datetime.now(UTC) - timedelta(days=900)
    found = import_module("otel_job_measure.integrations.celery_beat").upcoming_of(entry)
    now = datetime.now(UTC)
    assert all(now < due < now + 4 * HOUR for due in islice(found, 3))


@pytest.mark.skipif(tuple(map(int, version("rq").split(".")[:2])) < (2, 5), reason="RQ has no cron yet")
def test_two_entries_of_rqs_cron_with_one_function(place: Place) -> None:
    """Their due times are one list."""
    rq.install(measure=place.measure)
    cron: Any = import_module("rq.cron")
    scheduler = cron.CronScheduler(Redis())
    far = {(datetime.now(UTC) + timedelta(minutes=minutes)).minute for minutes in (20, 40)}
    for minute in far:
        scheduler.register(print, "default", cron=f"{minute} * * * *")
    scheduler.enqueue_jobs()
    dues = place.dues()
    assert list(dues) == ["builtins.print"]
    assert {due.minute for due in dues["builtins.print"]} == far
