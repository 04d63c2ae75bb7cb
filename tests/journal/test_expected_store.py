"""The folder `expected/`: what should happen, one file per source."""

import json
import logging
import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from otel_job_measure.expectations.expectation import DueList, Expectation, JobId, Skip, Source
from otel_job_measure.journal.expected_store import BusyStoreError, ExpectedStore, SkipRule
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.statements import Snapshot, Statement

HOUR = 3600 * 10**9
DAILY = Expectation(schedule="0 2 * * *", timezone="UTC")
NIGHTLY, WEEKLY = JobId("nightly", "billing"), JobId("weekly", "billing")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_ns = 1_800_000_000 * 10**9

    def wall_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    """Returns a clock."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> ExpectedStore:
    """Returns an empty store."""
    return ExpectedStore(tmp_path / "state", clock)


def says(*statements: Statement, source: Source = "file", origin: str = "/etc/jobs.toml") -> Snapshot:
    """Returns a snapshot of a source that says all that it expects."""
    return Snapshot(source=source, origin=origin, statements=statements)


def declares(*statements: Statement, loaded: Sequence[str] = ()) -> Snapshot:
    """Returns a snapshot of code, which may not have loaded all of its modules."""
    return Snapshot(
        source="code",
        origin="/srv/app.py",
        statements=statements,
        is_whole=False,
        is_loaded=lambda module: module in loaded,
    )


def daily(job: JobId = NIGHTLY, module: str = "") -> Statement:
    """Returns the statement of a job that is due each night."""
    return Statement(job=job, expectation=DAILY, module=module)


def test_what_a_source_says_is_known_from_its_first_word_on(store: ExpectedStore, clock: Clock) -> None:
    """A job that never ran is known too."""
    assert store.jobs() == []
    assert store.note(says(daily()))
    (job,) = store.jobs()
    assert (job.job, job.source, job.origin) == (NIGHTLY, "file", "/etc/jobs.toml")
    assert (job.first_seen_ns, job.expectation) == (clock.now_ns, DAILY)


def test_a_changed_expectation_is_a_version(store: ExpectedStore, clock: Clock) -> None:
    """It is in force from the change on, and what was before stays."""
    store.note(says(daily()))
    began_ns = clock.now_ns
    clock.now_ns += HOUR
    changed = Expectation(schedule="0 3 * * *", timezone="UTC")
    store.note(says(Statement(job=NIGHTLY, expectation=changed)))
    (job,) = store.jobs()
    assert [(version.since_ns, version.expectation) for version in job.versions] == [
        (began_ns, DAILY),
        (began_ns + HOUR, changed),
    ]
    assert job.first_seen_ns == began_ns


def test_a_job_that_a_file_no_longer_has_is_retired_once(store: ExpectedStore, clock: Clock) -> None:
    """It says when and why; a job that comes back begins a new life."""
    store.note(says(daily(), daily(WEEKLY)))
    clock.now_ns += HOUR
    store.note(says(daily()))
    gone_ns = clock.now_ns
    clock.now_ns += HOUR
    store.note(says(daily()))
    _, weekly = store.jobs()
    assert (weekly.retired_ns, weekly.retired_why) == (gone_ns, "no longer in /etc/jobs.toml")
    clock.now_ns += HOUR
    store.note(says(daily(), daily(WEEKLY)))
    _, weekly = store.jobs()
    assert (weekly.retired_ns, weekly.first_seen_ns) == (None, clock.now_ns)


def test_a_wrong_statement_leaves_in_force_what_was_before(store: ExpectedStore, clock: Clock) -> None:
    """A typo retires nothing."""
    store.note(says(daily()))
    clock.now_ns += HOUR
    store.note(says(Statement(job=NIGHTLY, expectation=None), Statement(job=WEEKLY, expectation=None)))
    (job,) = store.jobs()
    assert (job.expectation, job.retired_ns) == (DAILY, None)


def test_code_retires_what_newer_processes_no_longer_declare(store: ExpectedStore, clock: Clock) -> None:
    """Only after a day, and only if the module that declared it is loaded."""
    store.note(declares(daily(module="app.jobs"), daily(WEEKLY, "app.jobs")))
    clock.now_ns += 23 * HOUR
    store.note(declares(daily(module="app.jobs"), loaded=["app.jobs"]))
    assert [job.retired_ns for job in store.jobs()] == [None, None]
    clock.now_ns += 2 * HOUR
    store.note(declares(daily(module="app.jobs"), loaded=["app.jobs"]))
    nightly, weekly = store.jobs()
    assert (nightly.retired_ns, weekly.retired_ns) == (None, clock.now_ns)
    assert weekly.retired_why == "no longer declared in app.jobs"


def test_a_module_that_a_program_loads_each_week_is_waited_for(store: ExpectedStore, clock: Clock) -> None:
    """`manage.py nightly` does not load what `manage.py weekly` declares; a deleted module is given up in the end."""
    weekly = Statement(job=WEEKLY, expectation=Expectation(schedule="0 2 * * 1", timezone="UTC"), module="app.weekly")
    store.note(declares(weekly))
    clock.now_ns += 6 * 24 * HOUR
    store.note(declares(daily(module="app.nightly"), loaded=["app.nightly"]))
    assert [job.retired_ns for job in store.jobs()] == [None, None]
    clock.now_ns += 10 * 24 * HOUR
    store.note(declares(daily(module="app.nightly"), loaded=["app.nightly"]))
    assert [job.retired_ns is None for job in store.jobs()] == [True, False]


def test_another_stage_of_the_project_retires_nothing(store: ExpectedStore, clock: Clock) -> None:
    """Its processes say nothing about this one."""
    store.note(declares(daily(module="jobs")))
    clock.now_ns += 48 * HOUR
    store.note(declares(daily(JobId("other", "billing", "staging"), "jobs"), loaded=["jobs"]))
    assert [job.retired_ns for job in store.jobs()] == [None, None]


def test_a_service_without_a_living_process_keeps_its_jobs(store: ExpectedStore, clock: Clock) -> None:
    """Its runs are missed, and that is to be told."""
    store.note(declares(daily(module="jobs")))
    clock.now_ns += 1000 * HOUR
    assert [job.retired_ns for job in store.jobs()] == [None]


def test_a_process_that_finds_nothing_new_writes_nothing(store: ExpectedStore, clock: Clock) -> None:
    """Each line of a crontab looks once; a confirmation is written once an hour."""
    assert store.note(declares(daily()))
    clock.now_ns += HOUR // 2
    assert not store.note(declares(daily()))
    clock.now_ns += HOUR
    assert store.note(declares(daily()))


def test_a_job_without_limits_is_not_expected(store: ExpectedStore) -> None:
    """Unless it had some before: then their end is a version."""
    plain = Statement(job=NIGHTLY, expectation=Expectation())
    assert not store.note(says(plain))
    store.note(says(daily()))
    assert store.note(says(plain))
    assert store.jobs()[0].expectation == Expectation()


def test_a_clock_that_was_wrong_leaves_no_version_in_the_future(store: ExpectedStore, clock: Clock) -> None:
    """It would not come into force for years."""
    clock.now_ns += 10_000 * 24 * HOUR
    store.note(says(daily()))
    clock.now_ns -= 10_000 * 24 * HOUR
    store.note(says(daily()))
    (job,) = store.jobs()
    assert job.first_seen_ns == job.versions[0].since_ns == clock.now_ns


def test_lists_of_due_times_replace_each_other(store: ExpectedStore, clock: Clock) -> None:
    """What the older list said before the new one's begin stays, and together they stay one list."""
    timed = Expectation(by_scheduler=True)

    def listed(begin: int, *dues: int) -> Snapshot:
        due_list = DueList(begin, begin + 100, dues)
        return says(Statement(job=NIGHTLY, expectation=timed, due_list=due_list), source="scheduler", origin="beat")

    store.note(listed(100, 120, 150, 190))
    store.note(listed(140, 145, 200))
    (job,) = store.jobs()
    assert job.due_lists == (DueList(100, 240, (120, 145, 200)),)
    store.note(listed(500, 510))
    (job,) = store.jobs()
    assert job.due_lists == (DueList(100, 240, (120, 145, 200)), DueList(500, 600, (510,)))


def test_one_job_is_forgotten_by_all_its_sources(store: ExpectedStore) -> None:
    """By name or pattern, and for one project alone if it is said."""
    store.note(says(daily(), daily(WEEKLY), daily(JobId("nightly", "other"))))
    store.note(declares(daily()))
    assert store.forget("nightly", project="billing") == 2
    assert [job.job for job in store.jobs() if job.retired_ns is None] == [JobId("nightly", "other"), WEEKLY]
    assert {job.retired_why for job in store.jobs() if job.retired_ns} == {"forgotten by `otel-job-measure forget`"}
    assert store.forget("n*") == 3
    assert [job.job for job in store.jobs()] == [JobId("nightly", "other"), WEEKLY]
    assert store.forget("nothing") == 0
    store.note(declares(daily()))
    assert [job.retired_ns is None for job in store.jobs()] == [True, False, True]


def test_a_retired_job_is_kept_for_a_while(store: ExpectedStore, clock: Clock) -> None:
    """So that every checker hears of it, and names that never come back do not pile up."""
    store.note(says(daily(), daily(WEEKLY)))
    store.note(says(daily()))
    clock.now_ns += 39 * 24 * HOUR
    store.note(says(daily()))
    assert len(store.jobs()) == 2
    clock.now_ns += 2 * 24 * HOUR
    store.note(says(daily()))
    assert len(store.jobs()) == 1


def test_skips_are_about_jobs_of_all_sources(store: ExpectedStore, clock: Clock) -> None:
    """A pattern, a project and a stage say which."""
    store.note(says(daily(), daily(WEEKLY)))
    skip = Skip(clock.now_ns, clock.now_ns + HOUR, "database move")
    assert store.add_skips([SkipRule("night*", skip)])
    assert not store.add_skips([SkipRule("night*", skip)])
    assert [job.skips for job in store.jobs()] == [(skip,), ()]
    window = SkipRule("*", Skip(1, 2), origin="/etc/jobs.toml", stage="")
    assert store.add_skips([window], instead_of="/etc/jobs.toml")
    assert store.add_skips([], instead_of="/etc/jobs.toml")
    assert store.skips() == [SkipRule("night*", skip)]


def test_old_skips_go(store: ExpectedStore, clock: Clock) -> None:
    """The file does not grow for ever."""
    store.add_skips([SkipRule("a", Skip(clock.now_ns, clock.now_ns + HOUR))])
    clock.now_ns += 41 * 24 * HOUR
    store.add_skips([SkipRule("b", Skip(clock.now_ns, clock.now_ns + HOUR))])
    assert [rule.job for rule in store.skips()] == ["b"]


def test_files_are_for_their_owner_alone(store: ExpectedStore) -> None:
    """Whatever the umask, and no half-written file is left."""
    old = os.umask(0)
    try:
        store.note(says(daily()))
        store.add_skips([SkipRule("a", Skip(1, 2))])
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.folder.iterdir()}
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"format":1,"jobs":5}',
        b'{"format":1,"jobs":[5,{},{"expected":{}},{"expected":null,"confirmed":1},[]]}',
        b'{"format":"x"}',
        b"\xff\xfe\x00",
        b'{"format":1,"skips":[1,{"job":5},{"job":"a","from":9,"until":1},{"job":"a","from":1,"until":1e99}]}',
    ],
)
def test_a_file_with_other_content_costs_only_itself(
    content: bytes, store: ExpectedStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Its source writes it anew; the others are read."""
    store.note(says(daily()))
    store.note(says(daily(WEEKLY), origin="/other.toml"))
    store.path_of("file", "/other.toml").write_bytes(content)
    (store.folder / "skips.json").write_bytes(content)
    with caplog.at_level(logging.ERROR):
        assert [job.job for job in store.jobs()] == [NIGHTLY]
        assert store.skips() == []
    store.note(says(daily(WEEKLY), origin="/other.toml"))
    assert len(store.jobs()) == 2


def test_what_another_user_plants_is_not_read(store: ExpectedStore, tmp_path: Path) -> None:
    """Neither a link nor a pipe."""
    store.note(says(daily()))
    other = tmp_path / "secret.json"
    other.write_text("{}")
    store.path_of("file", "/link").symlink_to(other)
    os.mkfifo(store.path_of("file", "/pipe"))
    assert len(store.jobs()) == 1


def test_a_file_of_a_newer_version_is_left_alone(store: ExpectedStore) -> None:
    """A process of this version does not destroy what it cannot read."""
    store.note(says(daily()))
    path = store.path_of("file", "/etc/jobs.toml")
    newer = json.dumps({"format": 2, "jobs": []})
    path.write_text(newer)
    assert not store.note(says(daily(WEEKLY)))
    assert path.read_text() == newer


def test_two_processes_do_not_write_over_each_other(store: ExpectedStore) -> None:
    """The second waits for as long as it may."""
    store.note(says(daily()))
    held = lock(store.folder / "lock")
    assert held is not None
    with pytest.raises(BusyStoreError):
        store.note(says(daily(), daily(WEEKLY)))
    threading.Timer(0.1, held.release).start()
    assert store.note(says(daily(), daily(WEEKLY)), patience_s=30.0)
    assert len(store.jobs()) == 2


def test_a_place_that_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    """The caller logs it once."""
    (tmp_path / "file").write_text("")
    store = ExpectedStore(tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        store.note(says(daily()))


def test_a_job_whose_project_was_not_known_yet_is_the_same_job(store: ExpectedStore, clock: Clock) -> None:
    """A process that ends before its app has set a resource leaves no job that never runs."""
    blurred, stage = JobId("nightly"), JobId("nightly", "", "production")
    exact = JobId("nightly", "billing", "production")
    store.note(declares(daily(blurred, "app.jobs"), daily(JobId("other"), "app.jobs")))
    store.note(declares(daily(exact, "app.jobs")))
    assert [job.job for job in store.jobs()] == [exact, JobId("other")]
    clock.now_ns += 2 * HOUR
    store.note(declares(daily(blurred, "app.jobs"), daily(stage, "app.jobs")))
    assert [job.job for job in store.jobs()] == [exact, JobId("other")]
    store.note(declares(daily(JobId("nightly", "billing", "staging"), "app.jobs"), daily(blurred, "elsewhere")))
    assert len(store.jobs()) == 4
