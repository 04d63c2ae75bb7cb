"""What code says of its jobs is noted in the state directory."""

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from otel_job_measure import JobMeasure, JobSpanProcessor, compose_sync
from otel_job_measure.errors import UsageError
from otel_job_measure.expectations.expectation import DueList, Expectation, ExpectedJob, JobId
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.statements import Snapshot
from tests.runtime.support import DEAD, ROOT, THREAD, there
from tests.support.uncovered import uncovered

NIGHTLY = {"schedule": "5 2 * * *", "timezone": "Europe/Berlin", "grace": "30m", "max_runtime": "1h"}
EXPECTED = Expectation(schedule="5 2 * * *", timezone="Europe/Berlin", grace_s=1800, max_runtime_s=3600)
_APP = """
import sys
from otel_job_measure import JobMeasure
measure = JobMeasure(project="billing", stage="production")
{body}
"""


def jobs(measure: JobMeasure) -> dict[str, ExpectedJob]:
    """Returns what is noted, after the process's end."""
    measure.close()
    return {job.job.job: job for job in ExpectedStore(measure.settings.state_path).jobs()}


def ran(state_dir: Path, body: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs an app of its own to its end."""
    app = state_dir.parent / "app.py"
    app.write_text(_APP.format(body=body))
    env = {**uncovered(), "OTEL_JOB_MEASURE_STATE_DIR": str(state_dir), **environment}
    return subprocess.run([sys.executable, str(app)], cwd=ROOT, env=env, capture_output=True, text=True, check=True)


def noted(state_dir: Path) -> list[tuple[JobId, str, str]]:
    """Returns the jobs of a state directory with their source and origin."""
    return [(job.job, job.source, job.origin) for job in ExpectedStore(state_dir).jobs()]


def test_a_decorated_job_that_never_runs_is_known() -> None:
    """The decorator starts the thread that writes it, since no run may ever come."""
    measure = JobMeasure(project="billing", stage="production")
    measure.job("nightly", **cast("Any", NIGHTLY))(print)
    assert THREAD in {thread.name for thread in threading.enumerate()}
    measure.pipeline._maintain()  # what the thread does every ten seconds
    (job,) = ExpectedStore(measure.settings.state_path).jobs()
    assert (job.job, job.source, job.expectation) == (JobId("nightly", "billing", "production"), "code", EXPECTED)
    assert job.host is None


def test_a_process_that_only_loads_its_code_notes_it_at_its_end(tmp_path: Path) -> None:
    """Its origin is the program, as it was started."""
    ran(tmp_path / "state", "@measure.job('nightly', schedule='@daily', timezone='UTC')\ndef nightly(): pass")
    assert noted(tmp_path / "state") == [(JobId("nightly", "billing", "production"), "code", str(tmp_path / "app.py"))]


def test_a_child_of_fork_that_is_killed_leaves_what_its_parent_has_noted(tmp_path: Path) -> None:
    """Both declare the same."""
    body = """
@measure.job('nightly', every='1h')
def nightly(): pass
import os
if os.fork() == 0:
    nightly()
    os._exit(0)
os.wait()
"""
    ran(tmp_path / "state", body)
    assert [job for job, _, _ in noted(tmp_path / "state")] == [JobId("nightly", "billing", "production")]


def test_without_limits_nothing_is_loaded_started_or_written() -> None:
    """Most jobs have none."""
    measure = JobMeasure(project="billing")
    measure.job("plain")(print)
    assert THREAD not in {thread.name for thread in threading.enumerate()}
    assert jobs(measure) == {}
    assert not (measure.settings.state_path / "expected").exists()


def test_limits_that_are_taken_away_are_noted_too(tmp_path: Path) -> None:
    """Even if the program declares nothing any more."""
    ran(tmp_path / "state", "@measure.job('nightly', every='1h')\ndef nightly(): pass")
    ran(tmp_path / "state", "@measure.job('nightly')\ndef nightly(): pass")
    (job,) = ExpectedStore(tmp_path / "state").jobs()
    assert [version.expectation for version in job.versions] == [Expectation(every_s=3600), Expectation()]


@pytest.mark.parametrize("door", ["run", "start"])
def test_a_run_may_say_what_is_expected_of_its_job(door: str) -> None:
    """The job is known from its first run on."""
    measure = JobMeasure(project="billing")
    if door == "run":
        with measure.run("nightly", **cast("Any", NIGHTLY)):
            pass
    else:
        measure.start("nightly", key=1, **cast("Any", NIGHTLY))
        measure.finish(1)
    assert jobs(measure)["nightly"].expectation == EXPECTED


class Context:
    """A chain's context with attributes."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


@pytest.mark.parametrize(
    "context",
    [
        {"name": "nightly", "schedule": "@daily", "timezone": "UTC"},
        Context(name="nightly", schedule="@daily", timezone="UTC"),
        Context(name="nightly", schedule={"schedule": "@daily", "timezone": "UTC"}),
    ],
    ids=["items", "attributes", "mapping"],
)
def test_a_context_may_have_a_schedule(context: object) -> None:
    """As text with a time zone beside it, or as a mapping with all limits."""
    measure = JobMeasure(project="billing")
    compose_sync([measure.sync_middleware], lambda ctx: None)(context)
    assert jobs(measure)["nightly"].expectation == Expectation(schedule="@daily", timezone="UTC")


@pytest.mark.parametrize("schedule", [None, 5, object(), ["@daily"]])
def test_a_schedule_of_another_kind_in_a_context_is_the_apps_own(
    schedule: object, caplog: pytest.LogCaptureFixture
) -> None:
    """It says nothing, and nothing is logged."""
    measure = JobMeasure(project="billing")
    with caplog.at_level(logging.WARNING):
        compose_sync([measure.sync_middleware], lambda ctx: None)({"name": "nightly", "schedule": schedule})
    assert (jobs(measure), caplog.text) == ({}, "")


def test_attributes_of_a_span_may_say_it() -> None:
    """The job belongs to what the span's resource says."""
    measure = JobMeasure()
    provider = TracerProvider(resource=Resource({"service.name": "billing"}))
    provider.add_span_processor(JobSpanProcessor(measure))
    attributes = {"scheduling.job.name": "nightly", "scheduling.job.every": "1h", "scheduling.job.failures": 3}
    with provider.get_tracer("app").start_as_current_span("x", attributes=cast("Any", attributes)):
        pass
    found = jobs(measure)["nightly"]
    assert (found.job.project, found.expectation) == ("billing", Expectation(every_s=3600, failures=3))


def test_a_resource_that_is_known_only_later_leaves_no_other_job() -> None:
    """What was noted before the app had set its provider is withdrawn."""
    measure = JobMeasure()
    known: dict[str, object] = {}
    measure.recorder.declare("nightly", {"every": "1h"}, "", lambda: known)
    measure.pipeline._maintain()
    store = ExpectedStore(measure.settings.state_path)
    assert [job.job for job in store.jobs()] == [JobId("nightly")]
    known["service.name"] = "billing"
    measure.pipeline._maintain()
    assert [job.job for job in store.jobs()] == [JobId("nightly", "billing")]


def test_a_wrong_limit_stops_no_job_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The other limits are kept."""
    measure = JobMeasure(project="billing")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with measure.run("nightly", schedule="5 2 * *", max_runtime="1h"):
                pass
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert all(word in messages[0] for word in ("'nightly'", "5 2 * *", "4 fields"))
    assert jobs(measure)["nightly"].expectation == Expectation(max_runtime_s=3600)


def test_an_unknown_limit_of_the_decorator_is_a_programming_error() -> None:
    """As any unknown argument is."""
    with pytest.raises(UsageError, match="max_runtme"):
        JobMeasure().job("nightly", max_runtme="1h")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("limits", [{"schedule": object()}, {"every": float("nan")}, {"failures": []}])
def test_hostile_limits_stop_no_job(limits: dict[str, Any]) -> None:
    """Whatever they are."""
    ran_it: list[int] = []
    measure = JobMeasure(project="billing")
    with measure.run("nightly", **limits):
        ran_it.append(1)
    assert ran_it
    assert jobs(measure) == {}


def test_names_are_noted_as_rows_have_them() -> None:
    """A newline in a name is written as in InfluxDB."""
    measure = JobMeasure(project="a\tb")
    measure.job("night\nly", every="1h")(print)
    assert ExpectedStore(measure.settings.state_path).jobs() == []
    measure.close()
    assert [job.job for job in ExpectedStore(measure.settings.state_path).jobs()] == [JobId(r"night\nly", r"a\tb")]


def test_another_writer_postpones_the_note() -> None:
    """The next upkeep tries again."""
    measure = JobMeasure(project="billing")
    store = ExpectedStore(measure.settings.state_path)
    measure.job("nightly", every="1h")(print)
    store._state.make()
    store.folder.mkdir(mode=0o700)
    held = lock(store.folder / "lock")
    assert held is not None
    measure.pipeline._maintain()
    assert store.jobs() == []
    held.release()
    measure.pipeline._maintain()
    assert len(store.jobs()) == 1


def test_what_is_said_last_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is late with the due times of before does not write over those of now."""
    measure = JobMeasure(project="billing")
    pipeline, nightly = measure.pipeline, JobId("nightly", "billing")
    began, goes_on, note = threading.Event(), threading.Event(), ExpectedStore.note

    def slow_once(store: ExpectedStore, snapshot: Snapshot, **how: Any) -> bool:  # noqa: ANN401 - as it is
        if not began.is_set():
            began.set()
            assert goes_on.wait(60)
        return note(store, snapshot, **how)

    monkeypatch.setattr(ExpectedStore, "note", slow_once)
    pipeline.say_due("beat", nightly, DueList(0, 10, (1,)))
    late = threading.Thread(target=pipeline._maintain)
    late.start()
    assert began.wait(60)
    pipeline.say_due("beat", nightly, DueList(0, 10, (2,)))
    threading.Timer(0.2, goes_on.set).start()
    pipeline._maintain()
    late.join()
    (job,) = jobs(measure).values()
    assert job.due_lists[-1].dues_ns == (2,)


def test_with_the_journal_in_memory_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no place for it."""
    folder = tmp_path / "app"
    folder.mkdir()
    monkeypatch.chdir(folder)
    measure = JobMeasure(**there(DEAD, state_dir="memory", shutdown_timeout_s=0))
    measure.job("nightly", every="1h")(print)
    measure.close()
    assert list(folder.iterdir()) == []


def test_turned_off_nothing_is_checked_or_kept(caplog: pytest.LogCaptureFixture) -> None:
    """Not even a wrong limit is told."""
    with caplog.at_level(logging.WARNING):
        JobMeasure(disabled=True).job("nightly", every="never")(print)
    assert caplog.text == ""


def test_a_place_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The job is measured all the same."""
    measure = JobMeasure(state_dir=tmp_path / "state")
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "expected").write_text("")
    with caplog.at_level(logging.WARNING):
        measure.job("nightly", every="1h")(print)
        measure.pipeline._maintain()
        measure.close()
    assert caplog.text.count("what should happen is not kept") == 1


def test_the_same_program_is_one_source_behind_a_link(tmp_path: Path) -> None:
    """Each deployment has a folder of its own, to which `current` leads."""
    env = {**uncovered(), "OTEL_JOB_MEASURE_STATE_DIR": str(tmp_path / "state")}
    for release in ("1", "2"):
        folder = tmp_path / release
        folder.mkdir()
        (folder / "app.py").write_text(_APP.format(body="measure.job('nightly', every='1h')(print)"))
        (tmp_path / "next").symlink_to(folder)
        os.replace(tmp_path / "next", tmp_path / "current")  # noqa: PTH105 - as deployments do
        subprocess.run([sys.executable, str(tmp_path / "current" / "app.py")], cwd=ROOT, env=env, check=True)
    assert [origin for _, _, origin in noted(tmp_path / "state")] == [str(tmp_path / "current" / "app.py")]


def test_a_provider_that_is_set_after_the_jobs_are_loaded_says_the_project(tmp_path: Path) -> None:
    """Also in a process that runs nothing."""
    body = """
@measure.job('nightly', every='1h')
def nightly(): pass
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider(resource=Resource({"service.name": "shop"})))
"""
    (tmp_path / "app.py").write_text("from otel_job_measure import JobMeasure\nmeasure = JobMeasure()\n" + body)
    env = {**uncovered(), "OTEL_JOB_MEASURE_STATE_DIR": str(tmp_path / "state")}
    subprocess.run([sys.executable, str(tmp_path / "app.py")], cwd=ROOT, env=env, check=True)
    assert [job for job, _, _ in noted(tmp_path / "state")] == [JobId("nightly", "shop")]
