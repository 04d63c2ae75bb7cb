"""APScheduler's adapter: the conformance suite on every executor, and what is particular to APScheduler."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Final

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.errors import MissingDependencyError
from otel_job_measure.integrations import apscheduler
from otel_job_measure.testing import RecordedRuns, recorded_runs
from otel_job_measure.testing.conformance import BEHAVIOURS, Behaviour, Place, Recorded, check
from tests.spans.support import App
from tests.support.processes import until

ROOT: Final = Path(__file__).parents[2]
_NONE: Final = "APScheduler has no such thing"
_NO_ASYNC: Final = "its jobs are no coroutines"
_WITHIN: Final = "the job runs in the scheduler's process: its runs become `lost`"
_NEVER: Final = dict.fromkeys(
    [
        *("retries, succeeds", "retries, fails", "soft time limit", "hard time limit", "revoked before", "aborted"),
        *("revoked during", "rejected", "ignored", "expired", "chain", "group", "chord"),
    ],
    _NONE,
) | {
    **dict.fromkeys(("foreign span", "foreign, unsampled"), "OpenTelemetry has no instrumentation of APScheduler"),
    "warm shutdown": "the app handles signals",
}
_COLD: Final = {"cold shutdown": "it waits for jobs or abandons them; it stops none"}
_DEATHS: Final = dict.fromkeys(("SIGKILL", "os._exit"), _WITHIN)
_THREADS: Final = dict.fromkeys(("async", "async raises"), _NO_ASYNC)


class Driver:
    """APScheduler with one kind of executor."""

    job = "conformance"
    cannot: Mapping[str, str]

    def __init__(self, executor: str, **cannot: str) -> None:
        self.name = f"APScheduler {executor}"
        self.executor = executor
        self.cannot = {**_NEVER, **cannot}

    def perform(self, behaviour: Behaviour, place: Place) -> object:
        """Runs the app."""
        command = [sys.executable, "-m", "tests.integrations.apscheduler_app", self.executor, behaviour.name, place.job]
        place.state_dir.parent.mkdir(parents=True, exist_ok=True)
        variables = {**os.environ, "PYTHONPATH": str(ROOT), **place.variables()}
        done = subprocess.run(
            command, cwd=place.state_dir.parent, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None


DRIVERS: Final = (
    Driver("threadpool", **_THREADS, **_DEATHS, **_COLD),
    Driver("processpool", **_THREADS, **_COLD),
    Driver("asyncio", **_DEATHS),
    Driver("tornado", **_DEATHS, **_COLD),
    Driver("twisted", **_THREADS, **_DEATHS, **_COLD),
    Driver("gevent", **_THREADS, **_DEATHS, **_COLD),
    Driver("debug", **_THREADS, **_DEATHS, **_COLD, **{"max instances": "a job holds up its scheduler"}),
)


@pytest.mark.parametrize(
    ("driver", "behaviour"),
    [
        pytest.param(driver, behaviour, id=f"{driver.executor}-{behaviour.name}")
        for driver in DRIVERS
        for behaviour in BEHAVIOURS
        if behaviour.name not in driver.cannot
    ],
)
def test_it_conforms(driver: Driver, behaviour: Behaviour, tmp_path: Path) -> None:
    """Each behaviour is recorded rightly, with each executor."""
    assert check(driver, behaviour, tmp_path) == []


# What the suite does not ask


def work(value: int = 1) -> int:
    """Is a job."""
    return value


@pytest.fixture
def runs() -> Iterator[RecordedRuns]:
    """The runs of the test, with nothing installed afterwards."""
    with recorded_runs() as runs:
        yield runs
    apscheduler.uninstall()


class Scheduler:
    """A scheduler whose jobs run where they are submitted; it is told when to look for due ones."""

    def __init__(self) -> None:
        self.scheduler: Any = import_module("apscheduler.schedulers.background").BackgroundScheduler(
            executors={"default": {"type": "debug"}}
        )
        self.heard: list[Any] = []
        self.scheduler.add_listener(self.heard.append)

    def run(self, function: Callable[..., object] = work, /, **options: Any) -> None:  # noqa: ANN401 - APScheduler's
        """Runs a job once."""
        self.scheduler.start()
        self.scheduler.add_job(function, **{"misfire_grace_time": None, **options})
        self.scheduler._process_jobs()
        self.scheduler.shutdown()


def test_installing_twice_measures_once_and_uninstalling_twice_not_at_all(runs: RecordedRuns) -> None:
    """APScheduler's methods are its own again, and a wrapper of other code around ours only passes calls on."""
    base = import_module("apscheduler.executors.base").BaseExecutor
    before = base.submit_job
    apscheduler.install()
    apscheduler.install(measure=JobMeasure(project="billing"))
    Scheduler().run(id="nightly")
    assert [(run.job, run.project) for run in runs] == [("nightly", "billing")]
    apscheduler.uninstall()
    apscheduler.uninstall()
    assert base.submit_job is before
    Scheduler().run(id="nightly")
    assert len(runs) == 1


def test_code_that_wraps_our_hooks_too(runs: RecordedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uninstalling below it leaves its wrapper alone, and installing again measures each run once."""
    base = import_module("apscheduler.executors.base").BaseExecutor
    apscheduler.install()
    ours = base.submit_job

    def theirs(*words: object) -> object:
        return ours(*words)

    monkeypatch.setattr(base, "submit_job", theirs)
    apscheduler.uninstall()
    Scheduler().run(id="nightly")
    assert len(runs) == 0
    apscheduler.install()
    Scheduler().run(id="nightly")
    assert len(runs) == 1


def test_one_scheduler_alone(runs: RecordedRuns) -> None:
    """The jobs of another one are not measured."""
    mine, other = Scheduler(), Scheduler()
    apscheduler.install(mine.scheduler)
    other.run(id="other")
    mine.run(id="mine")
    assert [run.job for run in runs] == ["mine"]


@pytest.mark.parametrize(
    ("job_id", "name"),
    [
        ("nightly", "nightly"),
        ("täglich 🌙", "täglich 🌙"),
        ("x" * 2000, "x" * 1024),
        (None, "tests.integrations.test_apscheduler:work"),
        ("6f1d3a52-8c0e-4b7a-9d21-0a5c8e7f4b13", "tests.integrations.test_apscheduler:work"),
        ("6f1d3a528c0e4b7a9d210a5c8e7f4b13", "tests.integrations.test_apscheduler:work"),
        ("0" * 32, "0" * 32),
    ],
)
def test_a_jobs_name(runs: RecordedRuns, job_id: str | None, name: str) -> None:
    """It is the job's id, unless that is random; then the reference of its function."""
    apscheduler.install()
    Scheduler().run(**({} if job_id is None else {"id": job_id}))
    assert [run.job for run in runs] == [name]


def test_a_function_without_a_reference_is_called_by_its_name(runs: RecordedRuns) -> None:
    """As a lambda, or a function inside a function."""
    apscheduler.install()
    Scheduler().run(lambda: 1)
    assert [run.job for run in runs] == ["test_a_function_without_a_reference_is_called_by_its_name.<locals>.<lambda>"]


def test_a_batch_is_a_run_for_each_due_time_with_its_own_lag(runs: RecordedRuns) -> None:
    """Due times of a batch that are beyond the grace are skipped, the others run, and listeners hear of all."""
    apscheduler.install()
    now = datetime.now(UTC)
    times = {"next_run_time": now - timedelta(seconds=250), "end_date": now - timedelta(seconds=5)}
    scheduler = Scheduler()
    scheduler.run(
        trigger="interval", seconds=100, id="nightly", coalesce=False, misfire_grace_time=180, max_instances=5, **times
    )
    assert [round(run.lag_s or 0) // 10 for run in runs] == [15, 5]
    assert [skipped.due_ns // 10**9 for skipped in runs.skipped()] == [int((now - timedelta(seconds=250)).timestamp())]
    codes = import_module("apscheduler.events")
    told = [event.job_id for event in scheduler.heard if event.code == codes.EVENT_JOB_EXECUTED]
    assert [type(job_id) is str for job_id in told] == [True, True]


def test_a_month_of_coalesced_due_times(runs: RecordedRuns) -> None:
    """The newest 500 are recorded."""
    apscheduler.install()
    now = datetime.now(UTC)
    Scheduler().run(trigger="interval", minutes=1, id="nightly", next_run_time=now - timedelta(days=30))
    assert len(runs) == 1
    assert len(runs.skipped()) == 500


def dies(go: Path) -> None:
    """Is killed, as soon as a file is there."""
    until(go.exists, "the other jobs")
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_pool_that_breaks_with_hundreds_of_jobs(tmp_path: Path) -> None:
    """The run that had begun ends once, each other job is skipped once, and the scheduler's next pool runs on."""
    place = Place(state_dir=tmp_path / "state", job="any")
    apscheduler.install(measure=place.measure())
    spawn = {"mp_context": multiprocessing.get_context("spawn")}
    executors = {"default": {"type": "processpool", "max_workers": 1, "pool_kwargs": spawn}}
    scheduler: Any = import_module("apscheduler.schedulers.background").BackgroundScheduler(executors=executors)
    scheduler.start(paused=True)

    # The events of a batch come at its end. What was submitted after the pool broke would run in the next pool.
    def go(_event: object) -> None:
        (tmp_path / "go").touch()

    scheduler.add_listener(go, import_module("apscheduler.events").EVENT_JOB_SUBMITTED)
    scheduler.add_job(dies, args=[tmp_path / "go"], id="dies", misfire_grace_time=None)
    for number in range(400):
        scheduler.add_job(work, id=f"job-{number:03}", misfire_grace_time=None)
    scheduler.resume()
    try:
        until(lambda: len(Recorded.in_(place.state_dir).skipped) == 400, "the skipped jobs")
        scheduler.add_job(work, id="later", misfire_grace_time=None)
        until(lambda: [run.job for run in Recorded.in_(place.state_dir).runs if run.ended_ns][1:], "the later job")
    finally:
        scheduler.shutdown()
        apscheduler.uninstall()
    found = Recorded.in_(place.state_dir)
    assert sorted((run.job, run.reason or run.status) for run in found.runs) == [("dies", "signal"), ("later", "end")]
    assert sorted(each.job for each in found.skipped) == [f"job-{number:03}" for number in range(400)]


def test_the_span_begins_a_trace_and_links_to_the_code_that_added_the_job(runs: RecordedRuns) -> None:
    """A job that runs in the context of a request does not hang from the request's trace."""
    app = App()
    apscheduler.install(measure=JobMeasure(tracer_provider=app.provider))
    with app.tracer.start_as_current_span("request"):
        Scheduler().run(id="nightly")
    span, request = app.exported["run nightly"], app.context("request")
    assert span.parent is None
    assert [link.context.span_id for link in span.links] == [request.span_id]
    assert runs.one("nightly").trace_id == format(app.context("run nightly").trace_id, "032x")


def test_a_library_that_is_missing_or_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    installed: list[str] = []

    def version_of(name: str) -> str:
        if not installed:
            raise metadata.PackageNotFoundError(name)
        return installed[-1]

    monkeypatch.setattr(metadata, "version", version_of)
    with pytest.raises(MissingDependencyError, match=r"pip install 'apscheduler>=3\.11,<4'"):
        apscheduler.install()
    for version in ("3.10.4", "4.0.0a6"):
        installed.append(version)
        with pytest.raises(MissingDependencyError, match=rf"{version} is installed.*pip install"):
            apscheduler.install()
    installed.append("3.12rc1")
    apscheduler.install()
    apscheduler.uninstall()


def test_a_failure_of_ours_stops_no_job(runs: RecordedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """A measure that cannot be made, a job that is unlike others: it runs as without the adapter."""
    apscheduler.install()

    def fails(*_words: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("otel_job_measure.integrations.apscheduler_task.Task.__init__", fails)
    ran: list[int] = []
    Scheduler().run(lambda: ran.append(1), id="nightly")
    assert ran == [1]
    assert len(runs) == 0
