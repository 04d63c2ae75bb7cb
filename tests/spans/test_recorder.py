"""From a run to its points, and what may go wrong there."""

import asyncio
import gc
import subprocess
import sys
import tracemalloc

import pytest
from opentelemetry import trace

from otel_job_measure.entrypoints.context_manager import RunBlock
from otel_job_measure.journal.interfaces import Position
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.settings import Settings
from otel_job_measure.spans.active_run import Opener
from otel_job_measure.spans.recorder import Recorder
from otel_job_measure.spans.run import Run
from otel_job_measure.testing import ManualClock
from tests.spans.support import T0, Anything, Bench, ListJournal


def test_a_run_needs_no_span() -> None:
    """As `exec` records it: prepared, started, settled, ended."""
    journal, clock = ListJournal(), ManualClock(wall=T0)
    recorder = Recorder(Settings(project="billing"), lambda: journal, clock=clock)
    run = Run("nightly")
    recorder.prepare(run, {"cloud.region": "fra"})
    recorder.start(run)
    clock.advance(1.25)
    recorder.set_outcome(run, Outcome(reason="exit", error_type="exit 3"))
    recorder.end(run)
    story = journal.only
    assert (story.uuid, story.reason) == (run.uuid, "exit")
    assert story.facts["duration"] == 1.25
    assert story.start is not None
    assert story.start.tags == {"job": "nightly", "datacenter": "fra", "project": "billing"}


def test_names_of_a_megabyte_are_not_kept() -> None:
    """After a hundred runs whose names never repeat, less than one such name is in memory."""
    recorder = Recorder(Settings(), ListJournal)
    tracemalloc.start()
    try:
        for number in range(100):
            run = Run(f"{number}" + "x" * 1_000_000)
            recorder.prepare(run)
            recorder.start(run)
            recorder.set_outcome(run, ENDED)
            recorder.end(run)
            del run
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


def test_first_wins() -> None:
    """A later call changes and writes nothing."""
    journal = ListJournal()
    recorder = Recorder(Settings(), lambda: journal)
    run = Run("nightly")
    recorder.prepare(run)
    for _ in range(2):
        recorder.start(run)
    for outcome in (ENDED, Outcome(reason="error")):
        recorder.set_outcome(run, outcome)
        recorder.end(run)
    assert len(journal.appended) == 2
    assert journal.only.reason == "end"


def test_an_end_without_a_start_records_both() -> None:
    """Where the start was interrupted."""
    journal = ListJournal()
    recorder = Recorder(Settings(), lambda: journal)
    run = Run("nightly")
    recorder.prepare(run)
    recorder.set_outcome(run, ENDED)
    recorder.end(run)
    assert journal.only.status == "end"


class DiskFullError(OSError):
    pass


def full() -> None:
    """Is a disk without room."""
    raise DiskFullError("no space left")


def test_a_journal_that_raises_does_not_reach_the_job(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """It promises not to; if it does all the same, that is logged and counted."""
    bench.journal.broken = full
    for _ in range(3):
        with bench.run():
            assert trace.get_current_span().is_recording()
    assert bench.failures == {"recording a start": 3, "recording an end": 3}
    assert len(caplog.records) == 2


def test_without_a_journal_the_job_still_knows_its_run() -> None:
    """Whatever happens on our side, `run.uuid` and `run.started` are there."""

    def gone() -> Anything:
        raise DiskFullError

    recorder = Recorder(Settings(), gone)
    with RunBlock(Opener(recorder), "nightly") as run:
        assert len(run.uuid) == 12
        assert run.started.year > 2000
    assert recorder.guards.counts() == {"preparing a run": 1, "recording a start": 1, "recording an end": 2}


def test_a_resource_that_raises_costs_its_tags_and_no_points() -> None:
    """Whatever a provider of another make has for its attributes."""

    class Broken(dict[str, object]):
        def get(self, *_asked: object) -> object:
            raise KeyError

    journal = ListJournal()
    recorder = Recorder(Settings(stage="test"), lambda: journal)
    run = Run("nightly")
    recorder.prepare(run, Broken())
    recorder.start(run)
    recorder.set_outcome(run, ENDED)
    recorder.end(run)
    assert journal.only.start is not None
    assert journal.only.start.tags == {"job": "nightly", "stage": "test"}
    assert recorder.guards.counts() == {"preparing a run": 1}


def test_an_end_without_a_stamp_comes_after_its_start() -> None:
    """By the monotonic clock, and at least a microsecond."""
    journal, journals = ListJournal(), list[ListJournal]()

    def journal_of_the_moment() -> ListJournal:
        if not journals:
            raise DiskFullError
        return journals.pop()

    recorder = Recorder(Settings(), journal_of_the_moment, clock=ManualClock(wall=T0))
    run = Run("nightly")
    journals.append(journal)
    recorder.prepare(run)
    recorder.set_outcome(run, ENDED)
    assert run.end_ns == run.start_ns + 1000


def test_tags_of_a_job_are_found_once() -> None:
    """For each resource; those of many jobs are not kept for ever."""
    recorder = Recorder(Settings(), ListJournal)
    resource: dict[str, object] = {"service.name": "billing"}
    jobs = [recorder.prepare(Run("nightly"), resource) for _ in range(2)]
    assert jobs[0] is jobs[1]
    assert jobs[0] is not None
    assert jobs[0].tags.project == "billing"
    for number in range(1100):
        recorder.prepare(Run(f"job {number}"), resource)
    assert len(recorder._jobs) <= 1024


def test_a_journal_may_be_replaced_during_a_run() -> None:
    """As after a `close`: the end goes to the journal of its time."""
    first, second = ListJournal(), ListJournal()
    journals = [first]
    recorder = Recorder(Settings(), lambda: journals[-1])
    with RunBlock(Opener(recorder), "nightly"):
        journals.append(second)
    assert [point.measurement for point in first.points] == ["scheduling-job"]
    assert [point.measurement for point in second.points] == ["scheduling-job-run", "scheduling-job"]


class Confirming:
    """A server that is asked whether it has the start."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.asked: list[tuple[Position, float]] = []
        self.error = error
        self.journal = ListJournal()
        self.recorder = Recorder(
            Settings(
                confirm_start="server",
                confirm_timeout_s=0.5,
                influxdb_url="http://localhost:1",
                influxdb_token="x",
                influxdb_org="o",
                influxdb_bucket="b",
            ),
            lambda: self.journal,
            confirm=self.confirm,
            confirm_async=self.confirm_async,
        )
        self.bench = Bench()
        self.bench.journal = self.journal
        self.bench.opener = Opener(self.recorder)

    def confirm(self, mark: Position, timeout_s: float) -> None:
        self.asked.append((mark, timeout_s))
        if self.error is not None:
            raise self.error

    async def confirm_async(self, mark: Position, timeout_s: float) -> None:
        await asyncio.sleep(0)
        self.confirm(mark, timeout_s)


def test_every_door_waits_for_the_start_where_that_was_asked_for() -> None:
    """After its start point, before the job; coroutines do so without holding up the event loop."""
    server = Confirming()
    bench, seen = server.bench, list[int]()

    def note(*_arguments: Anything) -> None:
        seen.append(len(server.asked))

    async def note_async() -> None:
        note()

    def steps() -> Anything:
        note()
        yield

    async def steps_async() -> Anything:
        note()
        yield

    async def doors() -> None:
        async with bench.run():
            note()
        await bench.job(note_async)()
        await bench.middleware({"name": "x"}, note_async)
        async for _ in bench.job(steps_async)():
            pass

    with bench.run():
        note()
    bench.job(note)()
    list(bench.job(steps)())
    bench.sync_middleware({"name": "x"}, note)
    asyncio.run(doors())
    assert seen == list(range(1, 9))
    assert server.asked[0] == (Position(0, 1), 0.5)


def test_a_confirmation_that_raises_is_held_back() -> None:
    """The job goes on without it."""
    server = Confirming(ValueError("x"))
    with server.bench.run():
        pass

    async def main() -> None:
        async with server.bench.run():
            pass

    asyncio.run(main())
    assert [run.status for run in server.journal.runs] == ["end", "end"]
    assert server.recorder.guards.counts() == {"waiting for InfluxDB to have a start": 2}


@pytest.mark.parametrize(("error", "reason"), [(KeyboardInterrupt(), "signal"), (SystemExit(1), "exit")])
def test_an_interruption_while_waiting_ends_the_run(error: BaseException, reason: str) -> None:
    """The job never began; its run has an end all the same."""
    server = Confirming(error)

    async def enter() -> None:
        async with server.bench.run():
            raise AssertionError

    with pytest.raises(type(error)), server.bench.run():
        raise AssertionError
    coroutine = enter()
    coroutine.send(None)
    with pytest.raises(type(error)):
        coroutine.send(None)
    assert [run.reason for run in server.journal.runs] == [reason, reason]
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.parametrize("module", ["recorder", "run", "guard", "naming"])
def test_what_needs_no_opentelemetry_loads_none(module: str) -> None:
    """`exec` records a run in a process that should start fast."""
    code = (
        f"import sys, otel_job_measure.spans.{module}\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'asyncio', 'influxdb'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
