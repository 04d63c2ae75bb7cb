"""The fakes that are shipped for users' own tests."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from otel_job_measure import JobMeasure, JobSpanProcessor, compose_sync, job_measure_sync
from otel_job_measure.journal.interfaces import Ack, WriteResult
from otel_job_measure.points.line_protocol import Point
from otel_job_measure.testing import ListSink, ManualClock, MemoryJournal, RecordedRuns, recorded_runs
from tests.delivery.support import chunks_of, segment

DEAD = {
    "INFLUXDB_URL": "http://127.0.0.1:9",
    "INFLUXDB_TOKEN": "t",
    "INFLUXDB_ORG": "o",
    "INFLUXDB_BUCKET": "b",
    "OTEL_JOB_MEASURE_CONFIRM_START": "server",
    "OTEL_JOB_MEASURE_CONFIRM_TIMEOUT": "1h",
}


@pytest.fixture
def runs() -> Iterator[RecordedRuns]:
    """The fixture that the documentation shows."""
    with recorded_runs() as recorded:
        yield recorded


@pytest.fixture
def measure() -> JobMeasure:
    """One that was made before anything is recorded."""
    return JobMeasure(project="billing", stage="test")


def test_a_run_that_ended_well(measure: JobMeasure, runs: RecordedRuns) -> None:
    """Name, id, status, duration and tags are there, and no reason."""
    with measure.run("nightly") as opened:
        pass
    run = runs.one("nightly")
    assert (run.job, run.uuid, run.status, run.reason, run.error_type) == ("nightly", opened.uuid, "end", None, None)
    assert (run.project, run.stage, run.tags) == ("billing", "test", {})
    assert run.duration_s is not None
    assert 0 <= run.duration_s < 60


def test_a_run_that_failed(measure: JobMeasure, runs: RecordedRuns) -> None:
    """Its reason and the class of its exception are there; the message is not asked for."""
    with pytest.raises(ValueError, match="private"), measure.run("nightly"):
        raise ValueError("private")
    run = runs.one("nightly")
    assert (run.status, run.reason, run.error_type, run.error_message) == ("failed", "error", "ValueError", None)


def test_a_message_that_was_asked_for(runs: RecordedRuns) -> None:
    """With `error_message` it is there."""
    with JobMeasure(error_message=True).run("nightly") as opened:
        opened.fail("three orders have no invoice")
    assert runs.one("nightly").error_message == "three orders have no invoice"


def test_a_run_that_goes_on(measure: JobMeasure, runs: RecordedRuns) -> None:
    """It is running, has no duration yet, and is another object when it has ended."""
    with measure.run("nightly"):
        during = runs.one("nightly")
        assert (during.status, during.duration_s) == ("running", None)
    assert during.status == "running"
    assert runs.one("nightly").status == "end"


@pytest.mark.parametrize("fails", [False, True])
def test_without_run_rows_the_status_is_known_all_the_same(*, fails: bool, runs: RecordedRuns) -> None:
    """With `runs=False` it comes from the old row, the duration from the times; the reason is unknown."""
    with JobMeasure(runs=False).run("nightly") as opened:
        assert runs.one("nightly").status == "running"
        if fails:
            opened.fail()
    run = runs.one("nightly")
    assert (run.status, run.reason) == ("failed" if fails else "end", None)
    assert (run.duration_s or 0) > 0


def test_further_tags_are_tags(runs: RecordedRuns) -> None:
    """Those that `OTEL_JOB_MEASURE_TAGS` takes from the resource too, with odd values."""
    provider = TracerProvider(resource=Resource({"host.name": "a b,c=d\\e"}), shutdown_on_exit=False)
    with JobMeasure(tracer_provider=provider, tags=("host.name",)).run("odd = name, really"):
        pass
    assert runs.one("odd = name, really").tags == {"host.name": "a b,c=d\\e"}


def test_runs_are_a_sequence_in_the_order_in_which_they_began(measure: JobMeasure, runs: RecordedRuns) -> None:
    """By index, by slice, by length, by job; nested ones too."""
    assert not runs
    assert len(runs) == 0
    with measure.run("outer"), measure.run("inner"):
        pass
    with measure.run("inner"):
        pass
    assert [run.job for run in runs] == ["outer", "inner", "inner"]
    assert runs[-1].job == "inner"
    assert [run.job for run in runs[:2]] == ["outer", "inner"]
    assert [run.uuid for run in runs.of("inner")] == [runs[1].uuid, runs[2].uuid]
    assert runs.of("other") == []
    assert runs[0].uuid in repr(runs)


def test_going_through_runs_reads_them_once(runs: RecordedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are; one that begins meanwhile belongs to the next time."""
    measure = JobMeasure(project="billing")
    for _ in range(20):
        with measure.run("nightly"):
            pass
    looks: list[None] = []
    points = MemoryJournal.points

    def counted(journal: MemoryJournal) -> list[Point]:
        looks.append(None)
        return points(journal)

    monkeypatch.setattr(MemoryJournal, "points", counted)
    assert [run.status for run in runs] == ["end"] * len(runs) == [runs[at].status for at in range(20)]
    assert len(looks) == 1
    for _ in runs:
        with measure.run("another"):
            pass
    assert (len(runs), len(looks)) == (40, 2)


def test_one_says_what_was_measured_instead(measure: JobMeasure, runs: RecordedRuns) -> None:
    """The message of the failed assertion is all that a user sees."""
    with pytest.raises(AssertionError, match=r"expected one run of 'nightly', found 0; .*nothing"):
        runs.one("nightly")
    for _ in range(2):
        with measure.run("nightly"):
            pass
    with measure.run("weekly"), pytest.raises(AssertionError) as caught:
        runs.one("nightly")
    assert str(caught.value) == (
        "expected one run of 'nightly', found 2; all measured runs: nightly (end), nightly (end), weekly (running)"
    )


def test_the_innermost_recording_gets_the_runs(measure: JobMeasure) -> None:
    """After it the outer one goes on, and after that the journal."""
    with recorded_runs() as outer:
        with measure.run("before"):
            pass
        with recorded_runs() as inner, measure.run("inside"):
            pass
        with measure.run("after"):
            pass
    assert [run.job for run in outer] == ["before", "after"]
    assert [run.job for run in inner] == ["inside"]


def test_all_doors_are_recorded(runs: RecordedRuns) -> None:
    """Decorators made before and inside, the ready middleware, an app's own span, coroutines."""
    measure = JobMeasure()
    provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
    provider.add_span_processor(JobSpanProcessor(measure))

    @measure.job("decorated")
    async def decorated() -> int:
        return 42

    async def main() -> None:
        async with measure.run("async-with"):
            assert await decorated() == 42

    asyncio.run(main())
    assert compose_sync([job_measure_sync], lambda _ctx: 42)({"name": "ready"}) == 42
    with provider.get_tracer("app").start_as_current_span("work", attributes={"scheduling.job.name": "by-hand"}):
        pass
    assert [(run.job, run.status) for run in runs] == [
        ("async-with", "end"),
        ("decorated", "end"),
        ("ready", "end"),
        ("by-hand", "end"),
    ]


def test_a_decorator_made_long_before_is_recorded() -> None:
    """What an app's modules made when they were imported goes where the test wants it."""

    @JobMeasure().job
    def nightly() -> None: ...

    with recorded_runs() as runs:
        nightly()
    assert runs.one("nightly").status == "end"


def test_runs_in_threads_are_recorded(measure: JobMeasure, runs: RecordedRuns) -> None:
    """All threads of the process are, at once too."""
    both = threading.Barrier(4)

    def job() -> None:
        with measure.run("job"):
            both.wait()

    threads = [threading.Thread(target=job) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({run.uuid for run in runs.of("job")}) == 4
    assert {run.status for run in runs} == {"end"}


def test_there_are_no_files_no_threads_and_no_server(monkeypatch: pytest.MonkeyPatch, state_dir: Path) -> None:
    """Whatever the settings say: not even a start that is to be confirmed by a dead server waits."""
    for name, value in DEAD.items():
        monkeypatch.setenv(name, value)
    before = set(threading.enumerate())  # of other tests, and some may end meanwhile
    with recorded_runs() as runs:
        measure = JobMeasure()
        with measure.run("nightly"):
            pass

        async def main() -> None:
            async with measure.run("weekly"):
                pass

        asyncio.run(main())
        assert measure.flush(0)
        assert measure.close(0)
    assert [run.job for run in runs] == ["nightly", "weekly"]
    assert set(threading.enumerate()) <= before
    assert not state_dir.exists()


def test_an_exception_of_the_test_ends_the_recording(measure: JobMeasure, state_dir: Path) -> None:
    """A failing test leaves nothing behind for the next one."""
    with pytest.raises(ZeroDivisionError), recorded_runs() as runs:
        raise ZeroDivisionError
    with measure.run("nightly"):
        assert state_dir.exists()
    assert not runs


def test_times_come_from_a_clock_of_the_tests_own(measure: JobMeasure) -> None:
    """A `ManualClock` stands still until it is moved; durations of its runs are exact."""
    clock = ManualClock()
    with recorded_runs(clock) as runs, measure.run("nightly") as opened:
        assert opened.started == datetime(2027, 1, 15, 8, tzinfo=UTC)
        clock.advance(2.5)
    assert runs.one("nightly").duration_s == 2.5
    assert (clock.wall_ns(), clock.monotonic_ns()) == (1_800_000_002_500_000_000, 2_500_000_000)


def test_a_memory_journal_keeps_points_in_order() -> None:
    """It is a journal like the real one, and gives its points."""
    journal = MemoryJournal(ManualClock())
    first, second = journal.stamp(), journal.stamp()
    assert first < second
    journal.begin("a", b'scheduling-job,job=j status="start",uuid="a" 1\n')
    journal.finish("a", b'scheduling-job,job=j status="end",uuid="a" 2\n')
    assert [(point.fields["status"], point.time_ns) for point in journal.points()] == [("start", 1), ("end", 2)]
    assert MemoryJournal().host == journal.host == "test-host"


def test_a_list_sink_keeps_what_it_is_given() -> None:
    """Points without comments; how far it has come it knows by the segment."""
    sink = ListSink()
    chunks = chunks_of(segment("s", b'scheduling-job,job=j status="start",uuid="a" 1'))
    assert sink.write(chunks).ack is Ack.DONE
    assert [point.fields["uuid"] for point in sink.points()] == ["a"]
    assert (sink.committed_offset("s"), sink.committed_offset("another")) == (chunks[0].end, 0)
    sink.forget(["s"])
    sink.close()
    assert sink.name == "list"


def test_a_list_sink_answers_as_it_is_told() -> None:
    """What is not done is not kept."""
    sink = ListSink(answer=WriteResult(ack=Ack.RETRY))
    assert sink.write(chunks_of(segment("s", b"m f=1 1"))).ack is Ack.RETRY
    assert sink.points() == []
