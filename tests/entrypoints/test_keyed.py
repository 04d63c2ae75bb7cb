"""Runs that start in one callback and end in another."""

import json
import os
import pickle
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind

from otel_job_measure.entrypoints.context_manager import RunBlock
from otel_job_measure.entrypoints.keyed import KeyedRuns
from otel_job_measure.entrypoints.run_handle import RunHandle
from otel_job_measure.errors import UsageError
from otel_job_measure.points.outcome import Outcome
from tests.spans.support import T0, Anything, App, Bench

KEY = ("queue", "id-1", 1)


@pytest.fixture
def keyed(bench: Bench) -> KeyedRuns:
    """Runs by key, with spans of the app's provider."""
    return KeyedRuns(bench.opener)


def test_a_start_and_its_end_in_two_calls(app: App, bench: Bench, keyed: KeyedRuns) -> None:
    """The start is recorded at once, and the span is not current in between."""
    handle = keyed.start("nightly", KEY, {})
    assert bench.journal.only.start is not None
    assert bench.journal.only.end is None
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert keyed.finish(KEY)
    story = bench.journal.only
    assert (story.uuid, story.job, story.reason) == (handle.uuid, "nightly", "end")
    assert story.facts["trace_id"] == handle.trace_id == format(app.context("run nightly").trace_id, "032x")


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ({"error": ValueError("x")}, "error"),
        ({"error": KeyboardInterrupt()}, "signal"),
        ({"outcome": Outcome(reason="retry")}, "retry"),
        ({"outcome": Outcome(), "error": ValueError("x")}, "end"),
        ({"outcome": "retry"}, "end"),
    ],
)
def test_the_outcome_is_given_or_the_errors(
    bench: Bench, keyed: KeyedRuns, ending: dict[str, Anything], reason: str
) -> None:
    """An outcome takes precedence; something that is none is logged and left out."""
    keyed.start("nightly", KEY, {})
    assert keyed.finish(KEY, **ending)
    assert bench.journal.only.reason == reason


def test_expected_exceptions_are_no_failure(bench: Bench, keyed: KeyedRuns) -> None:
    """As with the decorator."""
    keyed.start("nightly", KEY, {"expected": (LookupError,)})
    keyed.finish(KEY, KeyError("x"))
    assert bench.journal.only.reason == "end"


def test_the_run_row_has_what_the_scheduler_knows(app: App, bench: Bench, keyed: KeyedRuns) -> None:
    """And so has the span."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    due = epoch + timedelta(microseconds=T0 // 1000 - 2_500_000)
    parent = app.tracer.start_span("message")
    keyed.start(
        "nightly",
        KEY,
        {
            "kind": SpanKind.CONSUMER,
            "context": Context(),
            "links": [Link(parent.get_span_context())],
            "scheduled_at": due,
            "queued_ns": T0 - 500_000_000,
            "attempt": 2,
            "trigger": "schedule",
            "task_id": "t-1",
        },
    )
    keyed.finish(KEY)
    facts = bench.journal.only.facts
    assert (facts["attempt"], facts["trigger"], facts["task_id"]) == (2, "schedule", "t-1")
    assert facts["lag"] == pytest.approx(2.5, abs=1e-4)
    assert facts["queued"] == pytest.approx(0.5, abs=1e-4)
    span = app.exported["run nightly"]
    assert (span.kind, len(span.links), span.parent) == (SpanKind.CONSUMER, 1, None)
    assert span.attributes is not None
    assert span.attributes["scheduling.job.attempt"] == 2
    assert span.attributes["scheduling.job.lag"] == facts["lag"]
    assert bench.failures == {}


def test_a_due_time_in_the_future_is_no_negative_lag(bench: Bench, keyed: KeyedRuns) -> None:
    """Clocks of two machines differ."""
    keyed.start("nightly", KEY, {"scheduled_ns": T0 + 10**12})
    keyed.finish(KEY)
    assert bench.journal.only.facts["lag"] == 0.0


@pytest.mark.parametrize(
    "options",
    [
        {"attempt": 0},
        {"attempt": "1"},
        {"trigger": "moon"},
        {"trigger": []},
        {"task_id": 5},
        {"scheduled_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is the point
        {"queued_ns": 1.5},
        {"kind": "x", "attempt": -1},
    ],
)
def test_a_wrong_option_is_left_out(bench: Bench, keyed: KeyedRuns, options: Anything) -> None:
    """The run is measured without it, and the log has the value."""
    keyed.start("nightly", KEY, options)
    assert keyed.finish(KEY)
    assert bench.journal.only.facts.keys().isdisjoint({"attempt", "trigger", "task_id", "lag", "queued"})
    assert bench.failures["reading the options of a run"] >= 1


def test_an_unknown_key_is_counted(bench: Bench, keyed: KeyedRuns, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is recorded, and the log has the key once a minute."""
    assert not keyed.finish(KEY)
    assert not keyed.finish(KEY)
    assert not bench.journal.appended
    assert bench.failures == {"finishing a run by a key that is not open": 2}
    assert len(caplog.records) == 1
    assert "id-1" in caplog.text


def test_a_second_finish_changes_nothing(bench: Bench, keyed: KeyedRuns) -> None:
    """By the key or by the handle."""
    handle = keyed.start("nightly", KEY, {})
    assert keyed.finish(handle)
    assert not keyed.finish(KEY, ValueError("x"))
    assert not keyed.finish(handle, ValueError("x"))
    assert bench.journal.only.reason == "end"
    assert bench.failures == {"finishing a run by a key that is not open": 2}


def test_a_start_of_an_open_key_returns_the_first_run(bench: Bench, keyed: KeyedRuns) -> None:
    """Callbacks that are registered twice measure a run once."""
    first = keyed.start("nightly", KEY, {"attempt": 1})
    assert keyed.start("nightly", KEY, {"attempt": 1}) == first
    keyed.finish(KEY)
    assert bench.journal.only.uuid == first.uuid
    assert bench.failures == {"starting a run whose key is open": 1}
    assert keyed.start("nightly", KEY, {}).uuid != first.uuid
    assert keyed.finish(KEY)


def test_a_start_beyond_the_bound_is_refused(bench: Bench) -> None:
    """Nothing of it is recorded; when a run ends there is room again."""
    keyed = KeyedRuns(bench.opener, most_open=2)
    handles = [keyed.start("nightly", number, {}) for number in range(3)]
    assert [handle.is_measured for handle in handles] == [True, True, False]
    assert len(bench.journal.runs) == 2
    assert bench.failures == {"starting one more run by key": 1}
    assert not keyed.finish(handles[2])
    assert keyed.finish(0)
    assert keyed.start("nightly", 3, {}).is_measured
    assert all([keyed.finish(1), keyed.finish(3)])


def test_an_unhashable_key_harms_no_job(bench: Bench, keyed: KeyedRuns, caplog: pytest.LogCaptureFixture) -> None:
    """The run is not measured; the log names the key, without a traceback."""
    key: Anything = ["a", "list"]
    keyed.start("another", KEY, {})
    assert not keyed.start("nightly", key, {}).is_measured
    assert not keyed.finish(key)
    assert keyed.finish(KEY)
    assert bench.failures == {"starting or finishing a run by key": 2}
    assert "MisuseError: key ['a', 'list'] is not hashable; the run is not measured" in caplog.text
    assert "Traceback" not in caplog.text


def test_nothing_is_recorded_while_disabled() -> None:
    """Neither a start nor an end."""
    bench = Bench(disabled=True)
    keyed = KeyedRuns(bench.opener)
    handle = keyed.start("nightly", KEY, {})
    assert not handle.is_measured
    assert not keyed.finish(handle)
    assert not bench.journal.appended


def test_threads_share_the_keys(bench: Bench, keyed: KeyedRuns) -> None:
    """Starts and ends on different threads, each run once."""
    started = threading.Barrier(4)

    def work(first: int) -> None:
        for number in range(first, first + 50):
            keyed.start("nightly", number, {})
        started.wait(30)
        for number in range((first + 50) % 200, (first + 50) % 200 + 50):
            keyed.finish(number)

    threads = [threading.Thread(target=work, args=(50 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.status for run in bench.journal.runs] == ["end"] * 200


def test_a_signal_handler_may_start_and_finish(bench: Bench, keyed: KeyedRuns) -> None:
    """There is no lock that it could wait for."""
    done: list[bool] = []

    def handler(*_arguments: object) -> None:
        keyed.start("handler's", "other", {})
        done.append(keyed.finish("other"))

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        bench.journal.broken = _once(lambda: os.kill(os.getpid(), signal.SIGUSR1))
        keyed.start("nightly", KEY, {})
        assert keyed.finish(KEY)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert done == [True]
    assert sorted(run.job for run in bench.journal.runs) == ["handler's", "nightly"]
    assert {run.status for run in bench.journal.runs} == {"end"}


def _once(action: Callable[[], object]) -> Callable[[], None]:
    """Returns a function that does something at its first call only."""
    left = [action]
    return lambda: (left.pop()(), None)[1] if left else None


@pytest.mark.parametrize("at_start", [True, False])
def test_an_interruption_ends_the_run(bench: Bench, keyed: KeyedRuns, at_start: bool) -> None:  # noqa: FBT001
    """It reaches the caller, and the key is free again."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    if at_start:
        bench.journal.broken = _once(interrupt)
        with pytest.raises(KeyboardInterrupt):
            keyed.start("nightly", KEY, {})
    else:
        keyed.start("nightly", KEY, {})
        bench.journal.broken = _once(interrupt)
        with pytest.raises(KeyboardInterrupt):
            keyed.finish(KEY)
    assert bench.journal.only.reason == ("signal" if at_start else "end")
    assert not keyed.finish(KEY)


def test_callers_may_make_the_span_current(app: App, bench: Bench, keyed: KeyedRuns) -> None:
    """With the context of a key, of a handle, or of a handle in another process."""
    handle = keyed.start("nightly", KEY, {})
    elsewhere = KeyedRuns(Bench(app.provider).opener)
    for number, context in enumerate([keyed.context(KEY), keyed.context(handle), elsewhere.context(handle)]):
        app.tracer.start_span(f"child {number}", context=context).end()
    keyed.finish(KEY)
    for number in range(3):
        parent = app.exported[f"child {number}"].parent
        assert parent is not None
        assert format(parent.span_id, "016x") == handle.span_id
    assert trace.get_current_span(keyed.context(KEY)) is trace.INVALID_SPAN
    assert not bench.failures


def test_a_handle_is_plain_text_and_can_be_pickled(keyed: KeyedRuns) -> None:
    """With everything that an ending needs."""
    handle = keyed.start("nightly", KEY, {"attempt": 3, "task_id": "t"})
    keyed.finish(KEY)
    assert RunHandle.from_json(handle.to_json()) == handle
    assert pickle.loads(pickle.dumps(handle)) == handle
    assert json.loads(handle.to_json())["tags"] == [["project", "billing"]]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"uuid": "a\\n", "job": "x", "start_ns": 1}', '{"uuid": 1}'])
def test_what_is_no_handle_is_refused(text: str) -> None:
    """A uuid becomes a line of the journal, and text can come from anywhere."""
    with pytest.raises(UsageError):
        RunHandle.from_json(text)


def test_a_handle_ends_a_run_elsewhere(app: App, keyed: KeyedRuns) -> None:
    """With the tags, the trace and the details of its start, after it was held there."""
    handle = keyed.start("nightly", KEY, {"attempt": 2, "scheduled_ns": T0 - 10**9})
    other = Bench(app.provider)
    other.journal.now_ns = T0 + 10**9
    elsewhere = KeyedRuns(other.opener)
    elsewhere.hold(handle)
    assert other.journal.held == [handle.uuid]
    assert elsewhere.finish(RunHandle.from_json(handle.to_json()), outcome=Outcome(reason="timeout"))
    assert not elsewhere.finish(handle)
    keyed.finish(KEY)
    end, row = other.journal.points[1], other.journal.points[0]
    assert (end.tags, end.fields["uuid"]) == ({"job": "nightly", "project": "billing"}, handle.uuid)
    assert (row.tags["reason"], row.fields["attempt"], row.fields["trace_id"]) == ("timeout", 2, handle.trace_id)
    assert row.fields["lag"] == pytest.approx(1, abs=1e-4)
    assert row.fields["duration"] == pytest.approx(1, abs=1e-3)


def test_a_released_run_is_left_to_another_process(app: App, bench: Bench, keyed: KeyedRuns) -> None:
    """Its span ends here, its points end there."""
    handle = keyed.start("nightly", KEY, {})
    keyed.release(handle)
    assert bench.journal.released == [handle.uuid]
    assert list(app.exported) == ["run nightly"]
    assert not keyed.finish(KEY)
    assert bench.journal.only.end is None


def test_a_held_run_of_ones_own_is_not_held(bench: Bench, keyed: KeyedRuns) -> None:
    """It is open already."""
    handle = keyed.start("nightly", KEY, {})
    keyed.hold(handle)
    keyed.finish(KEY)
    assert not bench.journal.held


def test_an_unpickled_handle_is_checked(bench: Bench, keyed: KeyedRuns) -> None:
    """Its uuid cannot write lines of its own into the journal."""
    handle = keyed.start("nightly", KEY, {})
    keyed.finish(KEY)
    object.__setattr__(handle, "uuid", "x\nscheduling-job")
    for call in (keyed.hold, keyed.release, keyed.finish):
        call(handle)
    assert not bench.journal.held
    assert not bench.journal.released
    assert bench.failures == {"starting or finishing a run by key": 3}


def test_a_block_takes_the_same_options(bench: Bench) -> None:
    """`measure.run("nightly", attempt=2)`."""
    with RunBlock(bench.opener, "nightly", {"attempt": 2, "expected": (KeyError,)}):
        pass
    assert bench.journal.only.facts["attempt"] == 2
