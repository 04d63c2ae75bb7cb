"""`with measure.run(...)`."""

import asyncio
import datetime as dt

import pytest
from opentelemetry import trace

from otel_job_measure.errors import MisuseError
from otel_job_measure.spans.run import JobRun
from tests.spans.support import Anything, App, Bench


def test_the_start_is_recorded_before_the_job_and_the_end_after_it(bench: Bench) -> None:
    """So that a job that is killed has a start."""
    with bench.run() as run:
        assert bench.journal.only.uuid == run.uuid
        assert bench.journal.only.status is None
    assert bench.journal.only.status == "end"


def test_the_job_knows_its_run(bench: Bench) -> None:
    """Name, uuid and an aware time, which is the row's."""
    with bench.run() as run:
        assert isinstance(run, JobRun)
        assert (run.name, len(run.uuid)) == ("nightly", 12)
    start = bench.journal.only.start
    assert start is not None
    assert start.time_ns is not None
    assert run.started == dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=start.time_ns // 1000)
    assert repr(run) == f"<JobRun 'nightly' {run.uuid}>"


ENDINGS: list[tuple[BaseException, str]] = [
    (ValueError("x"), "error"),
    (TimeoutError(), "timeout"),
    (SystemExit(0), "end"),
    (SystemExit(2), "exit"),
    (KeyboardInterrupt(), "signal"),
    (asyncio.CancelledError(), "cancelled"),
    (GeneratorExit(), "cancelled"),
]


@pytest.mark.parametrize(("error", "reason"), ENDINGS, ids=repr)
def test_each_ending_is_told_apart_and_goes_on(bench: Bench, error: BaseException, reason: str) -> None:
    """The caller gets the very exception."""
    with pytest.raises(type(error)) as caught, bench.run():
        raise error
    assert caught.value is error
    assert caught.value.__context__ is None
    assert bench.journal.only.reason == reason


async def run_async(bench: Bench, error: BaseException) -> None:
    """Raises inside `async with`."""
    async with bench.run():
        await asyncio.sleep(0)
        raise error


@pytest.mark.parametrize(("error", "reason"), ENDINGS, ids=repr)
def test_async_with_does_the_same(bench: Bench, error: BaseException, reason: str) -> None:
    """In a coroutine, driven by hand: an event loop has ideas of its own about some of them."""
    coroutine = run_async(bench, error)
    coroutine.send(None)
    with pytest.raises(type(error)) as caught:
        coroutine.send(None)
    assert caught.value is error
    assert bench.journal.only.reason == reason


def test_async_with_makes_the_span_current(app: App, bench: Bench) -> None:
    """Across awaits, and no longer."""

    async def main() -> None:
        async with bench.run() as run:
            await asyncio.sleep(0)
            with app.tracer.start_as_current_span("inside"):
                pass
            assert run.uuid == bench.journal.only.uuid
        assert trace.get_current_span() is trace.INVALID_SPAN

    asyncio.run(main())
    assert app.exported["inside"].parent == app.exported["run nightly"].context


@pytest.mark.parametrize("message", ["nothing to do", None])
def test_a_job_can_say_that_it_failed(app: App, message: str | None) -> None:
    """Without raising anything."""
    bench = Bench(app.provider, error_message=True)
    with bench.run() as run:
        run.fail(message)
    story, span = bench.journal.only, app.exported["run nightly"]
    assert story.reason == "error"
    assert story.facts.get("error_message") == message
    assert "error_type" not in story.facts
    assert span.status.status_code is trace.StatusCode.ERROR
    assert (span.status.description or None) == message


def test_an_exception_tells_more_than_fail(bench: Bench) -> None:
    """A job that says that it failed and then raises has failed by what it raised."""
    with pytest.raises(TimeoutError), bench.run() as run:  # noqa: PT012 - it is about both
        run.fail("something")
        raise TimeoutError
    assert bench.journal.only.reason == "timeout"


def test_fail_after_the_end_changes_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The rows are written; a warning says so."""
    with bench.run() as run:
        pass
    run.fail("late")
    assert bench.journal.only.reason == "end"
    assert "after its end" in caplog.text


def test_messages_are_written_only_where_that_was_asked_for(bench: Bench) -> None:
    """They can hold private data."""
    with pytest.raises(ValueError, match="private"), bench.run():
        raise ValueError("private")
    assert "error_message" not in bench.journal.only.facts
    assert bench.journal.only.facts["error_type"] == "ValueError"


def test_run_rows_can_be_left_out(app: App) -> None:
    """`OTEL_JOB_MEASURE_RUNS=off` leaves the old rows alone."""
    bench = Bench(app.provider, runs=False)
    with bench.run():
        pass
    assert [point.fields["status"] for point in bench.journal.points] == ["start", "end"]


def test_entering_twice_is_misuse(bench: Bench) -> None:
    """Inside itself, and after its end; the run that it was is not disturbed."""
    door = bench.run()
    with door, pytest.raises(MisuseError, match="twice"), door:
        pass
    with pytest.raises(MisuseError, match="run\\(\\) again"):
        door.__enter__()
    assert bench.journal.only.status == "end"


def test_leaving_without_entering_does_nothing(bench: Bench) -> None:
    """An ExitStack that is unwound early may do so."""
    bench.run().__exit__(None, None, None)
    assert not bench.journal.appended


@pytest.mark.parametrize("name", [None, 7, "", b"nightly"])
def test_a_name_that_is_none_is_measured_as_unnamed(
    bench: Bench, name: Anything, caplog: pytest.LogCaptureFixture
) -> None:
    """The job is on its way: it runs, with a warning."""
    with bench.run(name) as run:
        assert run.name == "unnamed"
    assert bench.journal.only.job == "unnamed"
    assert len(caplog.records) == 1


def test_a_duration_is_monotonic_and_an_end_comes_after_its_start(bench: Bench) -> None:
    """Whatever the wall clock does; two points of one series never have one time."""
    with bench.run():
        bench.journal.now_ns -= 10**12
    story = bench.journal.only
    assert story.start is not None
    assert story.row is not None
    assert story.row.time_ns is not None
    assert story.start.time_ns is not None
    assert story.row.time_ns >= story.start.time_ns + 1000
    assert 0 < story.facts["duration"] < 60


def test_two_runs_of_one_block_of_code_are_two_runs(bench: Bench) -> None:
    """Each call of `run()` is another run."""
    for _ in range(2):
        with bench.run():
            pass
    assert len({run.uuid for run in bench.journal.runs}) == 2
