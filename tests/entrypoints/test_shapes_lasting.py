"""Runs that last until what a job returned is done: tasks, futures, awaitables, compiled coroutines."""

import asyncio
import concurrent.futures
import copy
import gc
import importlib.util
import inspect
import logging
import pickle
import subprocess
import sys
import types
from collections.abc import Awaitable, Callable, Generator
from typing import Any, cast

import pytest
import tornado.gen

from tests.spans.support import Bench

_COMPILED = """
# cython: language_level=3
async def coroutine(step, fails=False):
    await step()
    if fails:
        raise KeyError(fails)
    return 1

async def numbers(step):
    try:
        yield 1
        await step()
        yield 2
    finally:
        await step()

def generator():
    got = yield 1
    yield got

def plain(number):
    return number

def returning(step):
    return coroutine(step)
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 - a module without types
    """A module that Cython has compiled."""
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "compiled_jobs.pyx").write_text(_COMPILED)
    done = subprocess.run(
        [sys.executable, "-m", "Cython.Build.Cythonize", "-i", "-q", "compiled_jobs.pyx"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    spec = importlib.util.spec_from_file_location("compiled_jobs", next(folder.glob("*.so")))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def making(kind: Callable[[], Any]) -> Callable[[], Any]:
    """Returns a function that returns a new one."""

    def make() -> Any:  # noqa: ANN401 - any kind
        return kind()

    return make


async def step() -> None:
    """Lets others run."""
    await asyncio.sleep(0)


class Opened:
    """Something that is awaited to be opened, or used as a block: of two uses, only one can be followed."""

    def __await__(self) -> Generator[Any, Any, int]:
        return step_to(3).__await__()

    async def __aenter__(self) -> int:
        return 3

    async def __aexit__(self, *_: object) -> None:
        pass


class Promise:
    size = 3

    def __await__(self) -> Generator[Any, Any, int]:
        return step_to(3).__await__()


async def step_to(value: int) -> int:
    """Returns a value later."""
    await step()
    return value


def test_the_run_of_a_task_lasts_until_it_is_done(bench: Bench) -> None:
    """The caller gets the very task; so do others that wait for it, and an `async def` that returns one."""

    async def main(job: Callable[[], Any]) -> None:
        measured = bench.job(job)
        task = await measured() if inspect.iscoroutinefunction(job) else measured()
        assert isinstance(task, asyncio.Task)
        assert bench.journal.runs[-1].status is None
        assert await cast("Awaitable[int]", task) == 1
        await step()
        assert bench.journal.runs[-1].status == "end"

    async def giving() -> asyncio.Task[int]:
        return asyncio.create_task(step_to(1))

    asyncio.run(main(lambda: asyncio.create_task(step_to(1))))
    asyncio.run(main(lambda: asyncio.ensure_future(step_to(1))))
    asyncio.run(main(giving))
    assert len(bench.journal.runs) == 3


def test_the_outcome_is_that_of_the_future(bench: Bench) -> None:
    """What it raised, or that it was cancelled or given up; one that is done already; one without a loop."""
    pool = concurrent.futures.ThreadPoolExecutor(1)

    def failing() -> None:
        raise KeyError

    async def cancelled() -> None:
        task = bench.job(lambda: asyncio.create_task(asyncio.sleep(60)))()
        await step()
        task.cancel()
        await asyncio.wait([task])

    with pool:
        future = bench.job(lambda: pool.submit(failing))()
        assert isinstance(future.exception(), KeyError)
    asyncio.run(cancelled())
    done: concurrent.futures.Future[int] = concurrent.futures.Future()
    done.set_result(1)
    assert bench.job(lambda: done)() is done
    bench.job(making(concurrent.futures.Future))()
    gc.collect()
    assert [run.reason for run in bench.journal.runs] == ["error", "cancelled", "end", "cancelled"]


def test_an_exception_that_the_app_never_looks_at_is_still_logged_by_asyncio(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """We read it without marking it as read."""

    async def failing() -> None:
        raise KeyError("never read")

    async def main() -> None:
        bench.job(lambda: asyncio.create_task(failing()))()
        await step()
        await step()
        gc.collect()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "exception was never retrieved" in caplog.text
    assert bench.journal.only.reason == "error"


class Odd:
    """A future of an unknown kind."""

    def add_done_callback(self, function: Callable[[Any], None]) -> None:
        raise RuntimeError


def test_a_future_that_takes_no_callback_counts_as_a_plain_value(bench: Bench) -> None:
    """No exception of ours; neither for one whose outcome cannot be asked."""

    class Odder(Odd):
        def add_done_callback(self, function: Callable[[Any], None]) -> None:
            function(self)

    assert type(bench.job(making(Odd))()) is Odd
    assert type(bench.job(making(Odder))()) is Odder
    assert [run.reason for run in bench.journal.runs] == ["end", "end"]


def test_tornado_coroutines_last(bench: Bench) -> None:
    """The decorator of tornado below ours, and above it."""

    @bench.job
    @tornado.gen.coroutine
    def below() -> Generator[Any, Any, int]:
        yield tornado.gen.sleep(0.001)
        return 1

    @tornado.gen.coroutine
    @bench.job
    def above() -> Generator[Any, Any, int]:
        yield tornado.gen.sleep(0.001)
        return 2

    async def main() -> None:
        future = below()
        assert bench.journal.runs[0].status is None
        assert await cast("Awaitable[int]", future) == 1
        assert await cast("Awaitable[int]", above()) == 2
        await step()

    asyncio.run(main())
    assert [run.reason for run in bench.journal.runs] == ["end", "end"]
    assert all(run.facts["duration"] >= 0.001 for run in bench.journal.runs)


def test_coroutines_made_of_generators_last(bench: Bench) -> None:
    """`types.coroutine` on a generator, on a function, and inside a plain function."""

    @types.coroutine
    def generator() -> Generator[Any, Any, int]:
        yield from step().__await__()
        return 1

    @types.coroutine
    def function() -> Any:  # noqa: ANN401 - types.coroutine wraps what it returns
        return generator()

    async def main() -> None:
        for job in (generator, function, making(generator)):
            measured: Any = bench.job(job)
            assert await measured() == 1
        bench.job(making(generator))().close()

    asyncio.run(main())
    assert [run.reason for run in bench.journal.runs] == ["end", "end", "end", "cancelled"]


def test_other_awaitables_last_or_stay_themselves(bench: Bench) -> None:
    """One that can only be awaited is followed; one with another use is returned as it is."""

    async def main() -> None:
        promise = bench.job(making(Promise))()
        assert isinstance(promise, Promise)
        assert promise.size == 3
        assert bench.journal.runs[0].status is None
        assert (await promise, await promise) == (3, 3)
        opened = bench.job(making(Opened))()
        assert type(opened) is Opened
        async with opened as value:
            assert value == 3
        bench.job(making(Promise))()

    asyncio.run(main())
    gc.collect()
    assert [run.reason for run in bench.journal.runs] == ["end", "end", "end"]


class Deferred:
    def __init__(self, value: int = 1) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, Any, int]:
        return step_to(self.value).__await__()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Deferred) and self.value == other.value

    def __hash__(self) -> int:
        return 7


class Truthy(Deferred):
    def __bool__(self) -> bool:
        return False


def test_the_stand_in_of_an_awaitable_is_as_that(bench: Bench) -> None:
    """Equal, hashed, copied and changed; one with a truth of its own is returned as it is."""
    made: Any = bench.job(Deferred)
    deferred: Any = bench.job(making(Deferred))()
    assert (deferred == Deferred(), Deferred() == deferred, deferred == bench.job(making(Deferred))()) == (True,) * 3
    assert (hash(deferred), repr(deferred)) == (7, repr(deferred.__wrapped__))
    deferred.value = 4
    assert (copy.copy(deferred).value, pickle.loads(pickle.dumps(deferred)).value, deferred.value) == (4, 4, 4)
    assert asyncio.run(awaited(deferred)) == 4
    assert type(bench.job(making(Truthy))()) is Truthy
    assert made(3) == Deferred(3)


async def awaited(one: Awaitable[int]) -> int:
    """Awaits it."""
    return await one


def test_compiled_coroutines_last(bench: Bench, compiled: Any) -> None:  # noqa: ANN401 - a module without types
    """A compiled coroutine function, and a plain one that returns a coroutine; one that is never awaited."""

    async def main() -> None:
        measured = bench.job(compiled.coroutine)
        assert inspect.iscoroutinefunction(measured) is inspect.iscoroutinefunction(compiled.coroutine)
        assert await measured(step) == 1
        with pytest.raises(KeyError):
            await measured(step, fails=True)
        returned = bench.job(compiled.returning)(step)
        assert bench.journal.runs[2].status is None
        assert await returned == 1
        bench.job(compiled.returning)(step).close()

    asyncio.run(main())
    assert [run.reason for run in bench.journal.runs] == ["end", "error", "end", "cancelled"]


def test_compiled_generators_of_both_kinds(bench: Bench, compiled: Any) -> None:  # noqa: ANN401 - as above
    """To their end, closed early, and given up; and a compiled function as a method."""

    async def main() -> None:
        numbers = bench.job(compiled.numbers)
        assert [number async for number in numbers(step)] == [1, 2]
        early = numbers(step)
        assert await anext(early) == 1
        await early.aclose()
        await numbers(step).aclose()

    asyncio.run(main())
    job = bench.job(compiled.generator)()
    assert next(job) == 1
    assert job.send(7) == 7
    job.close()

    class Holder:
        method = bench.job(compiled.plain)

    holder = Holder()
    assert holder.method() is holder
    assert [run.reason for run in bench.journal.runs] == ["end", "cancelled", "cancelled", "end"]
