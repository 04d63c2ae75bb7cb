"""`JobMeasure`: where its settings come from, and what several of them share."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import otel_job_measure
from otel_job_measure import JobMeasure, Settings
from otel_job_measure.errors import SettingsError, UsageError
from otel_job_measure.testing import recorded_runs
from tests.runtime.support import DEAD, history, run, said, segments, there, variables

WRONGLY: Any = otel_job_measure
"""The package, called without a type checker."""


def test_an_argument_goes_before_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What arguments leave unset comes from the environment."""
    monkeypatch.setenv("PROJECT_NAME", "of the environment")
    monkeypatch.setenv("PROJECT_STAGE", "production")
    measure = JobMeasure(project="billing")
    with recorded_runs() as runs, measure.run("nightly"):
        pass
    run = runs.one("nightly")
    assert (run.project, run.stage) == ("billing", "production")


def test_ready_settings_leave_the_environment_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a `Settings` only the arguments beside it change anything."""
    monkeypatch.setenv("PROJECT_NAME", "of the environment")
    monkeypatch.setenv("PROJECT_STAGE", "of the environment")
    given = Settings(stage="test", datacenter="here", state_dir=tmp_path / "given")
    measure = JobMeasure(given, datacenter="there")
    with recorded_runs() as runs, measure.run("nightly"):
        pass
    run = runs.one("nightly")
    assert (run.datacenter, run.project, run.stage) == ("there", None, "test")
    assert measure.settings.state_path == tmp_path / "given"


def test_what_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong variable and a wrong argument are one error."""
    monkeypatch.setenv("INFLUXDB_URL", DEAD)
    with pytest.raises(SettingsError, match=r"(?s)RETENTION.*INFLUXDB_BUCKET"):
        JobMeasure(retention_s=-1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: WRONGLY.JobMeasure("t0ken"), "takes Settings, and got str; single settings go by name, as project="),
        (lambda: WRONGLY.JobMeasure(tracer_provider=3), "tracer_provider= takes a TracerProvider .* got int"),
        (lambda: WRONGLY.JobMeasure(meter_provider="m"), "meter_provider= takes a MeterProvider .* got str"),
        (lambda: WRONGLY.JobMeasure(influxdb_client=3), "influxdb_client= takes an InfluxDBClient .* got int"),
        (lambda: WRONGLY.JobSpanProcessor(3), "takes a JobMeasure here, and got int"),
        (lambda: WRONGLY.JobSpanProcessor(rules=["celery"]), "takes a SpanRule here, and got str"),
    ],
)
def test_what_is_of_another_kind_is_said_at_once(make: Callable[[], object], words: str) -> None:
    """It is the programmer's, and not a thing for the log; its value isn't shown, since it may be a token."""
    with pytest.raises(UsageError, match=words) as caught:
        make()
    assert "t0ken" not in str(caught.value)


def test_the_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is in no representation."""
    for name, value in variables(DEAD).items():
        monkeypatch.setenv(name, value)
    shown = repr(JobMeasure())
    assert DEAD in shown
    assert "a-token" not in shown


def test_a_journal_is_shared(state_dir: Path) -> None:
    """Two with one state directory and one destination write to one segment, each with its own tags."""
    with JobMeasure(project="a").run("first"), JobMeasure(project="b").run("second"):
        [segment] = segments(state_dir)
        written = segment.read_text()
    assert "job=first,project=a" in written
    assert "job=second,project=b" in written


def test_another_destination_has_a_journal_of_its_own(state_dir: Path) -> None:
    """Whatever goes somewhere else is in a segment and a slot of its own."""
    for job in ("first", "second"):
        run(JobMeasure(), f"{job}-here")
        for bucket in ("a", "b"):
            run(JobMeasure(**there(DEAD, influxdb_bucket=bucket)), f"{job}-{bucket}")
    slots = {path.parent.name: path.read_text() for path in segments(state_dir)}
    for where in ("here", "a", "b"):
        [text] = [text for text in slots.values() if f"job=first-{where} " in text]
        assert f"job=second-{where} " in text
    assert len(slots) == 3


def test_another_state_directory_has_a_journal_of_its_own(tmp_path: Path) -> None:
    """The place is a part of what makes a journal."""
    for folder in ("a", "b"):
        run(JobMeasure(state_dir=tmp_path / folder), folder)
    assert [history(tmp_path / folder) for folder in ("a", "b")] == [[("a", "end", None)], [("b", "end", None)]]


def test_two_threads_that_begin_at_once_share_a_journal(state_dir: Path) -> None:
    """Of two engines that are made at the same moment one is kept."""
    both = threading.Barrier(2)

    def work() -> None:
        both.wait()
        with JobMeasure().run("job"):
            both.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(segments(state_dir)) == 1
    assert history(state_dir) == [("job", "end", None)] * 2


def test_a_relative_state_directory_is_made_absolute_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The process may go elsewhere before its first run."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(here)
    measure = JobMeasure(state_dir="kept")
    monkeypatch.chdir(elsewhere)
    run(measure, "nightly")
    assert history(here / "kept") == [("nightly", "end", None)]
    assert list(elsewhere.iterdir()) == []


def test_a_run_without_a_usable_name_is_unnamed(state_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It runs, is measured, and there is one warning however often it happens."""
    measure = JobMeasure()
    assert [measure.sync_middleware(object(), lambda: 42) for _ in range(3)] == [42] * 3
    assert history(state_dir) == [("unnamed", "end", None)] * 3
    [warning] = said(caplog)
    assert "unnamed" in warning


def test_nothing_is_said_while_all_is_well(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO a run, a flush and a close leave no line."""
    caplog.set_level(logging.INFO)
    measure = JobMeasure()
    run(measure, "nightly")
    assert measure.flush()
    assert measure.close()
    assert said(caplog, logging.INFO) == []


def test_what_on_error_says_holds_for_both_middlewares(caplog: pytest.LogCaptureFixture) -> None:
    """With `log` a job's exception is logged and goes no further; without, the caller gets the very object."""
    error = ValueError("broken")

    def broken() -> None:
        raise error

    assert JobMeasure(on_error="log").sync_middleware({"name": "a"}, broken) is None
    assert "'a' raised" in said(caplog, logging.ERROR)[0]
    with pytest.raises(ValueError, match="broken") as caught:
        JobMeasure().sync_middleware({"name": "b"}, broken)
    assert caught.value is error


class TestDisabled:
    def test_a_job_is_the_function_itself(self) -> None:
        """A decorator that has nothing to do leaves the function as it is, whatever its kind."""
        measure = JobMeasure(disabled=True)

        def sync() -> None: ...
        async def coroutine() -> None: ...

        assert measure.job(sync) is sync
        assert measure.job("named")(coroutine) is coroutine

    def test_everything_passes_through(self, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each door works, and there is neither a file nor a thread, though a server is configured."""
        for name, value in {**variables(DEAD), "OTEL_JOB_MEASURE_DISABLED": "true"}.items():
            monkeypatch.setenv(name, value)
        before = threading.enumerate()
        measure = JobMeasure()
        with measure.run("nightly") as run:
            assert (run.name, len(run.uuid), run.started.utcoffset() is not None) == ("nightly", 12, True)
        assert measure.sync_middleware({"name": "nightly"}, lambda: 42) == 42
        assert threading.enumerate() == before
        assert not state_dir.exists()

    def test_there_is_nothing_to_send(self) -> None:
        """`flush`, `close` and `health` have nothing to complain of."""
        measure = JobMeasure(disabled=True, state_dir="memory")
        run(measure, "nightly")
        assert measure.flush(0)
        assert measure.close(0)
        assert measure.health().dropped == {}

    def test_no_other_setting_is_an_error(self) -> None:
        """The switch works whatever else is wrong."""
        assert JobMeasure(disabled=True, influxdb_url="not a url").settings.disabled
