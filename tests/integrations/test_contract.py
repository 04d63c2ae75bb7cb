"""What the contract decides for every adapter."""

import asyncio
import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind

from otel_job_measure import JobMeasure, JobSpanProcessor, Outcome, SpanRule
from otel_job_measure.integrations.contract import Adapter, TaskOptions
from otel_job_measure.testing import RecordedRuns, recorded_runs


class Retry(Exception):  # noqa: N818 - as schedulers name theirs
    pass


@pytest.fixture
def measure() -> JobMeasure:
    """What the app and the adapter measure with."""
    return JobMeasure()


@pytest.fixture
def adapter(measure: JobMeasure) -> Adapter:
    """An adapter of a scheduler of the test's own."""
    return Adapter("test", measure)


@pytest.fixture
def runs() -> Iterator[RecordedRuns]:
    """The runs of the test."""
    with recorded_runs() as runs:
        yield runs


def reasons(runs: RecordedRuns) -> list[tuple[str, str | None]]:
    """Returns job and reason of each run, `end` if it ended well."""
    return [(run.job, run.reason or run.status) for run in runs]


def test_a_task_is_a_run_that_keeps_its_result_and_its_exception(adapter: Adapter, runs: RecordedRuns) -> None:
    """What the scheduler knows is on the row."""
    result, error = object(), ValueError("x")
    facts = TaskOptions(attempt=2, task_id="t-1", trigger="schedule", scheduled_ns=1, queued_ns=2)
    assert adapter.around(lambda: result, "nightly", **facts) is result

    def badly() -> None:
        raise error

    with pytest.raises(ValueError, match="x") as caught:
        adapter.around(badly, "nightly")
    assert caught.value is error
    assert reasons(runs) == [("nightly", "end"), ("nightly", "error")]
    assert (runs[0].attempt, runs[0].task_id, runs[0].trigger) == (2, "t-1", "schedule")
    assert runs[0].lag_s is not None
    assert runs[0].queued_s is not None


def test_an_async_task_is_a_run(adapter: Adapter, runs: RecordedRuns) -> None:
    """Its cancellation is one too."""

    async def well() -> int:
        await asyncio.sleep(0)
        return 7

    async def cancelled() -> None:
        raise asyncio.CancelledError

    assert asyncio.run(adapter.around_async(well, "nightly")) == 7
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(adapter.around_async(cancelled, "nightly"))
    assert reasons(runs) == [("nightly", "end"), ("nightly", "cancelled")]


def test_the_adapter_judges_by_what_was_raised_or_returned(adapter: Adapter, runs: RecordedRuns) -> None:
    """A judge that returns None leaves it to the rules, and so does one that fails."""

    def judge(error: BaseException | None, result: object) -> Outcome | None:
        if isinstance(error, ZeroDivisionError):
            raise RuntimeError("a bug of the adapter")  # noqa: TRY004 - it is one
        return Outcome(reason="retry") if isinstance(error, Retry) or result == "again" else None

    def raises(error: Exception) -> None:
        raise error

    adapter.around(lambda: "again", "nightly", judge=judge)
    adapter.around(lambda: "well", "nightly", judge=judge)
    for error in (Retry(), ValueError(), ZeroDivisionError()):
        with pytest.raises(type(error)):
            adapter.around(functools.partial(raises, error), "nightly", judge=judge)
    assert [reason for _, reason in reasons(runs)] == ["retry", "end", "retry", "error", "error"]


def test_a_decorated_function_is_measured_once_by_its_own_name(
    measure: JobMeasure, adapter: Adapter, runs: RecordedRuns
) -> None:
    """What its decorator says counts, and what the scheduler knows is on the row; partials and methods count too."""
    other = JobMeasure(project="billing")

    class Importer:
        @other.job("import", expected=(Retry,))
        def run(self, _number: int) -> None:
            raise Retry

    task = functools.partial(Importer().run, 1)
    with pytest.raises(Retry):
        adapter.around(task, "app.Importer.run", function=task, attempt=3)
    run = runs.one("import")
    assert (run.status, run.attempt, run.project) == ("end", 3, "billing")
    assert measure.settings.project is None


def test_the_jobs_own_call_of_itself_joins_its_run(measure: JobMeasure, adapter: Adapter, runs: RecordedRuns) -> None:
    """A task that calls what is decorated with its name is one run; another job in it is a run of its own."""

    @measure.job("nightly")
    def nightly() -> str:
        with measure.run("nightly") as run:
            uuids.append(run.uuid)
        return other()

    @measure.job("other")
    def other() -> str:
        return "well"

    uuids: list[str] = []
    assert adapter.around(lambda: nightly(), "nightly") == "well"  # noqa: PLW0108 - not the function itself
    assert reasons(runs) == [("nightly", "end"), ("other", "end")]
    assert uuids == [runs[0].uuid]
    nightly()
    assert len(runs) == 5  # without an adapter each is a run, as always


def test_what_a_joined_entry_point_knows_counts(measure: JobMeasure, adapter: Adapter, runs: RecordedRuns) -> None:
    """An expected exception that leaves the task is no failure; one that a middleware swallows is one."""
    logging = JobMeasure(on_error="log")

    @measure.job("nightly", expected=(Retry,))
    def retries() -> None:
        raise Retry

    def fails() -> None:
        raise ValueError

    def judged() -> None:
        with measure.run("nightly") as run:
            run.fail("by hand")

    with pytest.raises(Retry):
        adapter.around(lambda: retries(), "nightly")  # noqa: PLW0108 - not the function itself
    adapter.around(lambda: logging.sync_middleware({"name": "nightly"}, fails), "nightly")
    adapter.around(judged, "nightly")

    def handles() -> None:
        with contextlib.suppress(ValueError), measure.run("nightly"):
            fails()

    adapter.around(handles, "nightly")
    assert [reason for _, reason in reasons(runs)] == ["end", "error", "error", "end"]


def test_two_adapters_measure_one_task_once(measure: JobMeasure, adapter: Adapter, runs: RecordedRuns) -> None:
    """The outer one wins; a task of the same scheduler inside a task is always a run of its own."""
    second = Adapter("second", measure)
    adapter.around(lambda: second.around(lambda: 1, "nightly"), "nightly")
    assert len(runs) == 1
    adapter.around(lambda: adapter.around(lambda: 1, "nightly"), "nightly")
    assert len(runs) == 3
    adapter.around(lambda: second.around(lambda: 1, "weekly"), "nightly")
    assert len(runs) == 5


def test_a_task_begun_in_the_context_of_another_is_a_run_of_its_own(
    measure: JobMeasure, adapter: Adapter, runs: RecordedRuns
) -> None:
    """An event loop hands the context of the task that added a job on to that job; a fork does so too."""
    second = Adapter("second", measure)
    later: list[asyncio.Task[int]] = []

    async def one() -> int:
        return 1

    async def adds() -> None:
        async def afterwards() -> int:
            await done.wait()
            return await second.around_async(one, "nightly")

        later.append(asyncio.create_task(afterwards()))

    async def main() -> None:
        await adapter.around_async(adds, "nightly")
        done.set()
        await later[0]

    done = asyncio.Event()
    asyncio.run(main())
    assert reasons(runs) == [("nightly", "end"), ("nightly", "end")]


def test_a_start_and_its_end_by_key(measure: JobMeasure, adapter: Adapter, runs: RecordedRuns) -> None:
    """In between the span is current, and a decorated function inside joins the run; a repeated start goes on."""
    provider = TracerProvider(shutdown_on_exit=False)
    measure = JobMeasure(tracer_provider=provider)
    adapter = Adapter("test", measure)
    function = measure.job("import")(lambda: 1)
    handle = adapter.start(("id", 1), "app.import", function=function, kind=SpanKind.CONSUMER, attributes={"x": 1})
    assert adapter.start(("id", 1), "app.import", function=function) == handle
    span: Any = trace.get_current_span()
    assert (span.name, span.kind, span.attributes["x"]) == ("run import", SpanKind.CONSUMER, 1)
    function()
    assert adapter.finish(("id", 1), outcome=Outcome(reason="retry"))
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert not adapter.finish(("id", 1))
    assert reasons(runs) == [("import", "retry")]
    function()
    assert len(runs) == 2


def test_keys_survive_a_fork_as_none(adapter: Adapter, runs: RecordedRuns) -> None:
    """A child begins with no open keys, whatever its parent's threads do, and the parent's go on."""
    adapter.start("a", "nightly")
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child
        os._exit(adapter.finish("a"))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert adapter.finish("a")
    assert reasons(runs) == [("nightly", "end")]


def test_a_fork_while_another_thread_asks_for_the_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child does not wait for the parent's lock."""
    adapter = Adapter("test")
    inside, go_on = threading.Event(), threading.Event()

    def slow() -> JobMeasure:
        inside.set()
        go_on.wait()
        return JobMeasure()

    monkeypatch.setattr("otel_job_measure.integrations.contract.ready_measure", slow)
    thread = threading.Thread(target=lambda: adapter.measure)
    thread.start()
    inside.wait()
    go_on.set()
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child
        os._exit(adapter.measure.settings.disabled)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    thread.join()


@pytest.mark.parametrize("first", ["adapter", "span"])
@pytest.mark.parametrize("sampled", [True, False])
def test_a_foreign_span_lends_its_ids(runs: RecordedRuns, first: str, *, sampled: bool) -> None:
    """Recording or not, whichever comes first, no span of ours is opened beside it."""
    provider = TracerProvider(shutdown_on_exit=False, sampler=ALWAYS_ON if sampled else ALWAYS_OFF)
    adapter = Adapter("test", JobMeasure(tracer_provider=provider))
    tracer = provider.get_tracer("foreign")
    if first == "span":
        span = tracer.start_span("run/nightly", kind=SpanKind.CONSUMER)
        adapter.start("k", "nightly", foreign=span)
    else:
        adapter.start("k", "nightly", foreign=trace.INVALID_SPAN)
        span = tracer.start_span("run/nightly", kind=SpanKind.CONSUMER)
        adapter.adopt("k", span)
    assert trace.get_current_span() is trace.INVALID_SPAN
    adapter.finish("k")
    assert span.is_recording() is sampled
    span.end()
    assert runs.one("nightly").span_id == format(span.get_span_context().span_id, "016x")


@pytest.mark.parametrize("first", ["adapter", "span"])
def test_a_rule_and_an_adapter_measure_a_task_once(runs: RecordedRuns, first: str) -> None:
    """The adapter takes the run of the span over, or the span joins the adapter's."""
    measure = JobMeasure()
    provider = TracerProvider(shutdown_on_exit=False)
    rule = SpanRule(scope="foreign", span_name="run/(?P<job>.*)")
    provider.add_span_processor(JobSpanProcessor(measure, rules=[rule]))
    adapter = Adapter("test", measure)
    tracer = provider.get_tracer("foreign")
    if first == "span":
        span = tracer.start_span("run/nightly")
        adapter.start("k", "nightly", foreign=span, attempt=2)
    else:
        adapter.start("k", "nightly", foreign=trace.INVALID_SPAN, attempt=2)
        span = tracer.start_span("run/nightly")
    adapter.finish("k", outcome=Outcome(reason="rejected"))
    span.end()
    assert reasons(runs) == [("nightly", "rejected")]
    assert runs[0].attempt == 2
    assert runs[0].span_id == format(span.get_span_context().span_id, "016x")


@pytest.mark.parametrize("name", [None, 7, "", "x" * 2000, "täglich 🌙", "a\nb"])
def test_any_name_is_measured(adapter: Adapter, runs: RecordedRuns, name: object) -> None:
    """A task without a usable name too."""
    assert adapter.around(lambda: 1, name) == 1
    adapter.start("k", name)
    assert adapter.finish("k")
    assert len(runs) == 2
    assert all(run.status == "end" for run in runs)


def test_a_failure_of_ours_reaches_no_task(runs: RecordedRuns) -> None:
    """Not one of the ready-made measure, nor one of a function's own attributes."""

    class Hostile:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError(name)

    class Broken(Adapter):
        @property
        def measure(self) -> JobMeasure:
            raise RuntimeError

    broken = Broken("test")
    assert broken.around(lambda: 1, "nightly") == 1
    assert broken.start("k", "nightly") is None
    assert not broken.finish("k")
    assert not broken.witnessed("k", Outcome())
    for method in (broken.short_lived, broken.leaving, broken.collect):
        method()
    broken.missed("nightly", 1, "misfire")
    assert len(runs) == 0
    adapter = Adapter("test", JobMeasure())
    assert adapter.around(lambda: 1, "nightly", function=Hostile()) == 1
    assert reasons(runs) == [("nightly", "end")]
