"""Runs in many threads, in forked processes, in signal handlers, in the garbage collector, and interrupted anywhere."""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

import pytest
from opentelemetry import trace

from otel_job_measure.entrypoints.context_manager import RunBlock
from otel_job_measure.spans import processor
from tests.spans.support import App, Bench
from tests.support.interrupting import interrupting


def test_one_job_many_times_at_once_in_threads(bench: Bench) -> None:
    """Each run has its own uuid and its own points, and never another's."""
    together = threading.Barrier(8)
    uuids: list[str] = []

    def work() -> None:
        together.wait()
        for _ in range(50):
            with bench.run() as run:
                uuids.append(run.uuid)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {run.uuid: run.status for run in bench.journal.runs} == dict.fromkeys(uuids, "end")
    assert len(uuids) == 400


def test_one_job_many_times_at_once_in_tasks(app: App, bench: Bench) -> None:
    """All of them open at the same time, each with its own span."""

    async def main() -> list[Any]:
        everybody = asyncio.Event()

        async def nightly() -> int:
            if len(bench.journal.runs) == 20:
                everybody.set()
            await everybody.wait()
            return trace.get_current_span().get_span_context().span_id

        measured = bench.job(nightly)
        return await asyncio.gather(*(measured() for _ in range(20)))

    span_ids = asyncio.run(main())
    assert len({run.uuid for run in bench.journal.runs}) == 20
    assert sorted(str(run.facts["span_id"]) for run in bench.journal.runs) == sorted(f"{one:016x}" for one in span_ids)


class Leave(BaseException):
    """Unwinds a forked child through the blocks of its parent."""


def test_a_child_of_fork_ends_no_run_of_its_parent(app: App, bench: Bench) -> None:
    """Neither its points nor its span; what the child begins is its own."""
    read, write = os.pipe()
    parent = os.getpid()
    bench_of_app, child = Bench(), 0
    app.provider.add_span_processor(bench_of_app.processor())
    app_span = app.tracer.start_span("x", attributes={"scheduling.job.name": "span's"})
    try:
        with app.tracer.start_as_current_span("app's"), bench.run("parent's"):
            child = os.fork()
            if child == 0:
                with bench.run("child's"):
                    pass
                app_span.end()
                raise Leave
    except Leave:
        runs = [f"{run.job}:{run.status}" for run in (*bench.journal.runs, *bench_of_app.journal.runs)]
        os.write(write, "\n".join([*runs, *sorted(app.exported)]).encode())
    finally:
        if os.getpid() != parent:
            os._exit(0)
    os.close(write)
    app_span.end()
    with os.fdopen(read, encoding="utf-8") as pipe:
        said = pipe.read().splitlines()
    os.waitpid(child, 0)
    assert said == ["parent's:None", "child's:end", "span's:None", "app's", "run child's", "x"]
    assert [(run.job, run.status) for run in bench.journal.runs] == [("parent's", "end")]
    assert bench_of_app.journal.only.status == "end"


@contextmanager
def handler(function: Callable[[], None]) -> Generator[None]:
    """Calls a function for each SIGUSR1."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        function()

    before = signal.signal(signal.SIGUSR1, handle)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_a_run_in_a_signal_handler(app: App, bench: Bench) -> None:
    """Inside a job, with a span of its own that is a child of the job's."""

    def handled() -> None:
        with bench.run("handler"):
            pass

    with handler(handled), bench.run():
        signal.raise_signal(signal.SIGUSR1)
    assert {run.job: run.status for run in bench.journal.runs} == {"nightly": "end", "handler": "end"}
    assert app.exported["run handler"].parent == app.exported["run nightly"].context


def test_runs_in_a_signal_handler_that_comes_at_any_line() -> None:
    """Also in the middle of the beginning and the ending of another: nothing deadlocks, nothing is mixed up."""
    bench = Bench()
    handled: list[str] = []

    def handle() -> None:
        with bench.run("handler") as run:
            handled.append(run.uuid)

    with interrupting(handle):
        while len(handled) < 200:
            with bench.run():
                pass
    runs = bench.journal.runs
    assert {run.status for run in runs} == {"end"}
    assert {run.uuid for run in runs if run.job == "handler"} == set(handled)
    assert not bench.failures


def test_a_run_in_the_garbage_collector(bench: Bench) -> None:
    """An object's last act may be a job, wherever the collector finds it."""

    class Last:
        def __init__(self) -> None:
            self.ring = self

        def __del__(self) -> None:
            with bench.run("last"):
                pass

    with bench.run():
        Last()
        gc.collect()
    assert {run.job: run.status for run in bench.journal.runs} == {"nightly": "end", "last": "end"}


class Interruption:
    """Raises KeyboardInterrupt at one of the places in our code where Python looks for signals.

    That is where a function begins, and where one that is written in C has returned. It leaves out the one place where
    nobody can do anything: the very beginning of the `__exit__` of a `with` block.

    Args:
        place: How many of these places to pass by before.
    """

    def __init__(self, place: int) -> None:
        self.left = place
        self.raised = False

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Is Python's profiling hook."""
        code = frame.f_code
        if self.raised or event not in {"call", "c_return"} or "/otel_job_measure/" not in code.co_filename:
            return
        if code is RunBlock.__exit__.__code__ and event == "call":
            return
        self.left -= 1
        if self.left < 0:
            self.raised = True
            raise KeyboardInterrupt

    def during(self, function: Callable[[], Any]) -> None:
        """Calls a function with it."""
        sys.setprofile(self)
        try:
            function()
        finally:
            sys.setprofile(None)


def blocks(bench: Bench) -> Callable[[], Any]:
    """Gives a job in a block."""

    def use() -> None:
        with bench.run():
            pass

    return use


def functions(bench: Bench) -> Callable[[], Any]:
    """Gives a job in a function."""
    measured: Callable[[], Any] = bench.job(lambda: None)
    return measured


def coroutines(bench: Bench) -> Callable[[], Any]:
    """Gives a job in a coroutine."""

    async def nightly() -> None:
        pass

    measured = bench.job(nightly)

    def use() -> None:
        with closing(measured()) as coroutine, pytest.raises(StopIteration):
            coroutine.send(None)

    return use


# A coroutine whose creator is interrupted before it can await it is never awaited, with us as without.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("door", [blocks, functions, coroutines])
def test_an_interruption_anywhere_in_our_code_goes_on_and_leaves_nothing_open(
    door: Callable[[Bench], Callable[[], Any]],
) -> None:
    """Ctrl-C may arrive between the start and the job, or between the job and its end."""
    place, outcomes = 0, set[str | None]()
    while True:
        app = App()
        bench = Bench(app.provider)
        use = door(bench)
        use()
        interruption = Interruption(place)
        if not _interrupted(interruption, use):
            break
        # An append that was interrupted may be done again: the same bytes, which overwrite themselves.
        bench.journal.appended = list(dict.fromkeys(bench.journal.appended))
        for run in bench.journal.runs:
            outcomes.add(run.reason)
        assert trace.get_current_span() is trace.INVALID_SPAN, place
        assert processor._open == {}, place
        place += 1
    assert place > 50
    assert outcomes == {"end", "signal"}


def _interrupted(interruption: Interruption, use: Callable[[], Any]) -> bool:
    try:
        interruption.during(use)
    except KeyboardInterrupt:
        return True
    assert not interruption.raised
    return False
