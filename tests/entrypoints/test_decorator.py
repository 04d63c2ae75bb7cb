"""`@measure.job` on functions and coroutine functions."""

import asyncio
import functools
import inspect
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, assert_type, cast

import pytest
from opentelemetry import trace

from otel_job_measure import JobMeasure
from otel_job_measure.entrypoints.decorator import job
from otel_job_measure.errors import UsageError
from tests.spans.support import App, Bench


class JobError(Exception):
    pass


def test_a_function_keeps_its_value_and_its_looks(bench: Bench) -> None:
    """Name, docstring, signature, module; the job's name is the function's."""

    @job(bench.opener)
    def nightly(first: int, *, second: str = "x") -> str:
        """Says something."""
        assert trace.get_current_span().is_recording()
        return f"{first}{second}"

    assert assert_type(nightly(1, second="y"), str) == "1y"
    assert (nightly.__name__, nightly.__doc__, nightly.__module__) == ("nightly", "Says something.", __name__)
    assert str(inspect.signature(nightly)) == "(first: int, *, second: str = 'x') -> str"
    assert (bench.journal.only.job, bench.journal.only.status) == ("nightly", "end")


def test_all_three_spellings_do_the_same(bench: Bench) -> None:
    """Bare, with empty brackets, with a name."""

    @job(bench.opener)
    def bare() -> int:
        return 1

    @job(bench.opener, expected=())
    def brackets() -> int:
        return 2

    @job(bench.opener, "a name")
    def named() -> int:
        return 3

    assert [assert_type(function(), int) for function in (bare, brackets, named)] == [1, 2, 3]
    assert [run.job for run in bench.journal.runs] == ["bare", "brackets", "a name"]


def test_each_call_is_a_run(bench: Bench) -> None:
    """Also one inside another."""

    def countdown(number: int) -> int:
        return measured(number - 1) if number else 0

    measured = job(bench.opener)(countdown)
    measured(3)
    assert len(bench.journal.runs) == 4
    assert {run.status for run in bench.journal.runs} == {"end"}


def test_the_caller_gets_the_same_exception(bench: Bench) -> None:
    """The object, its traceback to where it was raised, and nothing of ours chained to it."""
    error = JobError("x")

    @job(bench.opener)
    def failing() -> None:
        raise error

    with pytest.raises(JobError) as caught:
        failing()
    assert caught.value is error
    assert error.__context__ is error.__cause__ is None
    frames = traceback.extract_tb(error.__traceback__)
    assert (frames[-1].name, frames[-1].line) == ("failing", "raise error")
    assert bench.journal.only.facts["error_type"] == f"{__name__}.JobError"


def test_expected_exceptions_go_on_and_are_no_failure(app: App, bench: Bench) -> None:
    """A retry that the queue wants to see is how that job ends well."""

    @job(bench.opener, expected=(JobError,))
    def retried() -> None:
        raise JobError

    with pytest.raises(JobError):
        retried()
    assert bench.journal.only.reason == "end"
    assert app.exported["run retried"].status.status_code is trace.StatusCode.UNSET
    assert not app.exported["run retried"].events


def test_a_coroutine_function_stays_one(app: App, bench: Bench) -> None:
    """Runners look before they await; the run lasts until the coroutine has ended."""

    @job(bench.opener)
    async def nightly(first: int) -> int:
        await asyncio.sleep(0)
        with app.tracer.start_as_current_span("inside"):
            pass
        return first + 1

    assert inspect.iscoroutinefunction(nightly)
    coroutine: Coroutine[Any, Any, int] = nightly(1)
    assert not bench.journal.appended
    assert asyncio.run(coroutine) == 2
    assert bench.journal.only.status == "end"
    assert app.exported["inside"].parent == app.exported["run nightly"].context


def test_a_cancelled_task_is_cancelled(bench: Bench) -> None:
    """And asyncio sees its cancellation."""

    async def main() -> None:
        started = asyncio.Event()

        @job(bench.opener)
        async def nightly() -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(nightly())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert bench.journal.only.reason == "cancelled"


def test_a_timeout_around_a_job_and_one_inside_it(bench: Bench) -> None:
    """Around it the job is cancelled, inside it a time-out comes out of it; `asyncio.timeout` works as ever."""

    @job(bench.opener, "around")
    async def endless() -> None:
        await asyncio.Event().wait()

    @job(bench.opener, "inside")
    async def impatient() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await endless()
        with pytest.raises(TimeoutError):
            await impatient()

    asyncio.run(main())
    assert {run.job: run.reason for run in bench.journal.runs} == {"around": "cancelled", "inside": "timeout"}


def test_methods_can_be_jobs(bench: Bench) -> None:
    """Of instances, classes and neither; a staticmethod object in either order."""

    class Jobs:
        factor = 2

        @job(bench.opener)
        def method(self, number: int) -> int:
            return number * self.factor

        @job(bench.opener)
        async def coroutine(self, number: int) -> int:
            return number * self.factor

        @classmethod
        @job(bench.opener)
        def of_class(cls, number: int) -> int:
            return number * cls.factor

        @staticmethod
        @job(bench.opener)
        def inside(number: int) -> int:
            return number

        @job(bench.opener)
        @staticmethod
        def outside(number: int) -> int:
            return number

    jobs = Jobs()
    assert assert_type(jobs.method(1), int) == 2
    assert asyncio.run(jobs.coroutine(1)) == 2
    assert (jobs.of_class(1), Jobs.inside(1), Jobs.outside(1), jobs.outside(1)) == (2, 1, 1, 1)
    assert [run.job for run in bench.journal.runs] == [
        "method",
        "coroutine",
        "of_class",
        "inside",
        "outside",
        "outside",
    ]


class SyncCallable:
    def __call__(self) -> str:
        return "called"


class AsyncCallable:
    async def __call__(self) -> str:
        return "called"


def test_partials_and_callable_objects_can_be_jobs(bench: Bench) -> None:
    """With the name of their function, or of their class."""

    def add(first: int, second: int) -> int:
        return first + second

    async def add_async(first: int, second: int) -> int:
        return first + second

    assert job(bench.opener)(functools.partial(add, 1))(2) == 3
    measured = job(bench.opener)(functools.partial(functools.partial(add_async, 1)))
    assert inspect.iscoroutinefunction(measured)
    assert measured.__name__ == "add_async"
    assert asyncio.run(measured(2)) == 3
    assert job(bench.opener)(SyncCallable())() == "called"
    measured_object: Any = job(bench.opener)(AsyncCallable())
    assert inspect.iscoroutinefunction(measured_object) is inspect.iscoroutinefunction(AsyncCallable())
    assert inspect.iscoroutinefunction(measured_object.__call__)
    assert asyncio.run(measured_object()) == "called"
    assert job(bench.opener)(SyncCallable)()() == "called"
    assert [run.job for run in bench.journal.runs] == [
        "add",
        "add_async",
        "SyncCallable",
        "AsyncCallable",
        "SyncCallable",
    ]
    assert {run.status for run in bench.journal.runs} == {"end"}


# Type checkers say so too, of each of them.
WRONG: list[tuple[Callable[[Any], Any], str]] = [
    (lambda a_job: a_job(""), "empty string"),
    (lambda a_job: a_job(7), "7 (int)"),
    (lambda a_job: a_job(b"nightly"), "b'nightly' (bytes)"),
    (lambda a_job: a_job()(None), "None (NoneType)"),
    (lambda a_job: a_job("nightly")("nightly"), "'nightly' (str)"),
    (lambda a_job: a_job(classmethod(print)), "@classmethod above"),
    (lambda a_job: a_job()(classmethod(print)), "classmethod object"),
    (lambda a_job: a_job(expected=ValueError), "tuple of exception classes"),
    (lambda a_job: a_job(expected=("ValueError",)), "got ('ValueError',)"),
    (lambda a_job: a_job(expected=[ValueError]), "got [<class"),
    (lambda a_job: a_job(expected=(int,)), "got (<class"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_what_cannot_work_is_said_at_once(tmp_path: Path, wrong: Callable[[Any], Any], said: str) -> None:
    """When the module is read, and not when the job is due at night."""
    with pytest.raises(UsageError) as caught:
        wrong(JobMeasure(state_dir=tmp_path).job)
    assert said in str(caught.value)


def test_turned_off_a_function_is_itself(app: App) -> None:
    """Nothing is in its way."""

    def nightly() -> None: ...

    bench = Bench(app.provider, disabled=True)
    assert job(bench.opener)(nightly) is nightly
    with pytest.raises(UsageError):
        bench.job(cast("Any", classmethod(print)))
