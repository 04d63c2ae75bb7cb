"""`@measure.job` on generators."""

import gc
import inspect
import weakref
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from opentelemetry import trace

from otel_job_measure.entrypoints.decorator import job
from tests.spans.support import App, Bench

NO_SPAN = trace.INVALID_SPAN


def test_a_generator_function_stays_one(bench: Bench) -> None:
    """It gives what the job yields, and its value; the run begins with the first step."""

    @job(bench.opener)
    def nightly(count: int) -> Generator[int, None, str]:
        yield from range(count)
        return "done"

    assert inspect.isgeneratorfunction(nightly)
    steps = nightly(2)
    assert not bench.journal.appended
    assert (next(steps), next(steps)) == (0, 1)
    assert bench.journal.only.status is None
    with pytest.raises(StopIteration) as stop:
        next(steps)
    assert stop.value.value == "done"
    assert bench.journal.only.status == "end"


def test_the_span_is_current_only_while_the_body_runs(app: App, bench: Bench) -> None:
    """Never across a yield, where it would become the parent of whatever the caller does."""
    seen: list[trace.Span] = []

    @job(bench.opener)
    def nightly() -> Iterator[int]:
        for number in range(3):
            seen.append(trace.get_current_span())
            yield number

    for _ in nightly():
        assert trace.get_current_span() is NO_SPAN
    assert [span.get_span_context() for span in seen] == [app.exported["run nightly"].context] * 3


def test_two_interleaved_generators_have_each_its_own_span(app: App, bench: Bench) -> None:
    """A caller may go through them in turn."""

    def steps(name: str) -> Iterator[str]:
        for number in range(3):
            with app.tracer.start_as_current_span(f"{name}{number}"):
                pass
            yield name

    pairs = zip(job(bench.opener, "a")(steps)("a"), job(bench.opener, "b")(steps)("b"), strict=True)
    assert list(pairs) == [("a", "b")] * 3
    for name in "ab":
        ours = app.exported[f"run {name}"].context
        assert [app.exported[f"{name}{number}"].parent for number in range(3)] == [ours] * 3


def echo() -> Generator[Any, Any, Any]:
    """A job that gives back what it is sent, and what is thrown at it, until it is sent None."""
    got: Any = "ready"
    while got is not None:
        try:
            got = yield got
        except ValueError as error:
            got = error
    return "done"


def test_send_and_throw_reach_the_job(bench: Bench) -> None:
    """And what it makes of them comes back."""
    steps = bench.job(echo)()
    error = ValueError("x")
    assert next(steps) == "ready"
    assert steps.send(7) == 7
    assert steps.throw(error) is error
    with pytest.raises(StopIteration) as stop:
        steps.send(None)
    assert stop.value.value == "done"
    assert bench.journal.only.reason == "end"


def test_nothing_that_was_sent_is_kept(bench: Bench) -> None:
    """A big thing that the job has done with can go, also while the job waits."""

    class Big:
        pass

    def nightly() -> Generator[None, Big, None]:
        while True:
            yield

    steps, big = bench.job(nightly)(), Big()
    gone = weakref.ref(big)
    next(steps)
    steps.send(big)
    del big
    assert gone() is None
    steps.close()


def test_what_the_job_doesnt_catch_comes_out(bench: Bench) -> None:
    """The very exception, wherever it was raised first."""
    steps, error = bench.job(echo)(), KeyError("x")
    next(steps)
    with pytest.raises(KeyError) as caught:
        steps.throw(error)
    assert caught.value is error
    assert bench.journal.only.facts["error_type"] == "KeyError"


def test_a_closed_generator_is_cancelled(bench: Bench) -> None:
    """The caller has lost interest; the job's own clean-up runs inside its run."""
    cleaned: list[trace.Span] = []

    @job(bench.opener)
    def nightly() -> Iterator[int]:
        try:
            yield 1
        finally:
            cleaned.append(trace.get_current_span())

    steps = nightly()
    next(steps)
    assert isinstance(steps, Generator)
    steps.close()
    assert bench.journal.only.reason == "cancelled"
    assert cleaned[0] is not NO_SPAN


def test_a_job_that_ends_well_when_it_is_closed_has_ended(bench: Bench) -> None:
    """It decides itself what being closed means."""

    def nightly() -> Iterator[int]:
        try:
            yield 1
        except GeneratorExit:
            return

    steps = bench.job(nightly)()
    next(steps)
    steps.close()
    assert bench.journal.only.reason == "end"


def test_a_job_that_ignores_its_closing_is_told_as_ever(bench: Bench) -> None:
    """Python's own error comes out."""

    def stubborn() -> Iterator[int]:
        try:
            yield 1
        except GeneratorExit:
            yield 2

    steps = bench.job(stubborn)()
    next(steps)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        steps.close()
    with pytest.raises(StopIteration):
        next(steps)
    assert bench.journal.only.reason == "end"


def test_a_generator_that_is_given_up_is_cancelled(bench: Bench) -> None:
    """The garbage collector closes it."""
    steps = bench.job(echo)()
    next(steps)
    del steps
    gc.collect()
    assert bench.journal.only.reason == "cancelled"


def test_a_generator_that_is_never_stepped_through_is_no_run(bench: Bench) -> None:
    """Nothing has begun."""
    bench.job(echo)().close()
    assert not bench.journal.appended


def test_a_generators_wrong_arguments_are_the_callers_error(bench: Bench) -> None:
    """They come out as ever, at the first step."""
    with pytest.raises(TypeError, match="positional"):
        next(bench.job(echo)(1, 2))
    assert bench.journal.only.reason == "error"
