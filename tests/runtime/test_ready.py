"""What is ready without a word of code: `job_measure`, `job_measure_sync`, `JobSpanProcessor()`."""

import asyncio
import inspect
import logging
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from otel_job_measure import JobMeasure, JobSpanProcessor, compose, compose_sync, job_measure, job_measure_sync
from otel_job_measure.runtime import default
from otel_job_measure.testing import recorded_runs
from tests.runtime.support import DEAD, history, said


def handler(ctx: object) -> int:
    """Does a job's work."""
    return 42


@pytest.mark.parametrize("ctx", [{"name": "nightly"}, SimpleNamespace(name="nightly")], ids=["item", "attribute"])
def test_both_middlewares_measure_a_chain(ctx: object, state_dir: Path) -> None:
    """By the context's item or attribute `name`, with the settings of the environment."""
    assert asyncio.run(compose([job_measure], handler)(ctx)) == 42
    assert compose_sync([job_measure_sync], handler)(ctx) == 42
    assert history(state_dir) == [("nightly", "end", None)] * 2


def test_runners_can_see_what_kind_they_are() -> None:
    """`iscoroutinefunction` decides in some runners whether a middleware is awaited at all."""
    assert inspect.iscoroutinefunction(job_measure)
    assert not inspect.iscoroutinefunction(job_measure_sync)


def test_the_environment_is_read_at_the_first_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not at the import, nor when the chain is composed; and once."""
    chain = compose_sync([job_measure_sync], handler)
    monkeypatch.setenv("OTEL_JOB_MEASURE_STATE_DIR", str(tmp_path / "first"))
    chain({"name": "a"})
    monkeypatch.setenv("OTEL_JOB_MEASURE_STATE_DIR", str(tmp_path / "second"))
    chain({"name": "b"})
    assert history(tmp_path / "first") == [("a", "end", None), ("b", "end", None)]
    assert not (tmp_path / "second").exists()


def test_wrong_settings_are_logged_once_and_the_job_runs(
    monkeypatch: pytest.MonkeyPatch, state_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The error names what is missing; both middlewares go on, however often, and leave nothing."""
    monkeypatch.setenv("INFLUXDB_URL", DEAD)
    for _ in range(3):
        assert asyncio.run(compose([job_measure], handler)({"name": "nightly"})) == 42
        assert compose_sync([job_measure_sync], handler)({"name": "nightly"}) == 42
    [error] = said(caplog)
    assert "INFLUXDB_BUCKET" in error
    assert caplog.records[-1].levelno == logging.ERROR
    assert caplog.records[-1].exc_info is None
    assert not state_dir.exists()


def test_wrong_settings_change_nothing_about_what_a_job_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where `on_error` would have swallowed it, had the settings been right."""
    monkeypatch.setenv("INFLUXDB_URL", DEAD)
    monkeypatch.setenv("OTEL_JOB_MEASURE_ON_ERROR", "log")
    error = ValueError("the job's own")

    def broken(ctx: object) -> None:
        raise error

    with pytest.raises(ValueError, match="own") as caught:
        compose_sync([job_measure_sync], broken)({"name": "nightly"})
    assert caught.value is error


def test_wrong_settings_are_logged_once_by_two_threads(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two first runs at the same moment are one error."""
    monkeypatch.setenv("INFLUXDB_URL", DEAD)
    both = threading.Barrier(2)
    make = default._make

    def at_once() -> tuple[JobMeasure, Exception | None]:
        both.wait(30)
        return make()

    monkeypatch.setattr(default, "_make", at_once)
    threads = [threading.Thread(target=job_measure_sync, args=({"name": "a"}, int)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said(caplog)) == 1


def test_a_bug_of_ours_at_the_first_run_is_logged_and_the_job_runs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever fails while the first `JobMeasure` is made is not the job's fault."""
    monkeypatch.setitem(sys.modules, "otel_job_measure.delivery.shipper", None)
    assert job_measure_sync({"name": "nightly"}, lambda: 42) == 42
    assert said(caplog) == ["jobs are not measured"]
    assert caplog.records[-1].exc_info is not None


def test_the_middlewares_can_be_turned_off(monkeypatch: pytest.MonkeyPatch, state_dir: Path) -> None:
    """One variable does it, whatever else is wrong."""
    monkeypatch.setenv("INFLUXDB_URL", DEAD)
    monkeypatch.setenv("OTEL_JOB_MEASURE_DISABLED", "true")
    assert job_measure_sync({"name": "nightly"}, lambda: 42) == 42
    assert asyncio.run(compose([job_measure], handler)({"name": "nightly"})) == 42
    assert not state_dir.exists()


def provider(processor: JobSpanProcessor) -> TracerProvider:
    """Returns an app's provider with our processor."""
    made = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
    made.add_span_processor(processor)
    return made


def open_span(of: TracerProvider, job: str) -> None:
    """Opens a job's span as an app does that needs no door of ours."""
    with of.get_tracer("app").start_as_current_span("work", attributes={"scheduling.job.name": job}):
        pass


def test_the_processor_measures_with_the_environments_settings(
    monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    """They are read at the first span of a job."""
    processor = JobSpanProcessor()
    monkeypatch.setenv("PROJECT_NAME", "billing")
    with recorded_runs() as runs:
        open_span(provider(processor), "by-hand")
    assert runs.one("by-hand").project == "billing"


def test_the_processor_measures_for_the_one_it_was_given(tmp_path: Path, state_dir: Path) -> None:
    """The runs of the app's own spans are that one's."""
    measure = JobMeasure(state_dir=tmp_path / "its own")
    open_span(provider(JobSpanProcessor(measure)), "by-hand")
    assert history(tmp_path / "its own") == [("by-hand", "end", None)]
    assert not state_dir.exists()


def test_the_processor_logs_wrong_settings_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The app's spans go their way, and nothing is said again."""
    monkeypatch.setenv("INFLUXDB_URL", DEAD)
    app = provider(JobSpanProcessor())
    for job in ("a", "b"):
        open_span(app, job)
    assert len(said(caplog)) == 1
