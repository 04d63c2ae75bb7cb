"""Where a run that is open for long hangs."""

import asyncio
import json
import os
import re
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.cli import main
from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.kept_output import MOST_BYTES
from otel_job_measure.runtime.stacks import Stacks
from tests.support.processes import until

HOUR_NS: Final = 3600 * 10**9


class Later(SystemClock):
    """A clock that is some hours ahead by its monotonic time."""

    hours = 1

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + self.hours * HOUR_NS


class Hung:
    """A job that hangs until it is let go."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go_on = threading.Event()

    def wait_here(self) -> None:
        self.inside.set()
        assert self.go_on.wait(60)

    def deeper(self, depth: int) -> None:
        if depth == 0:
            self.wait_here()
        else:
            self.deeper(depth - 1)


@pytest.fixture
def clock() -> Later:
    """One that is an hour ahead."""
    return Later()


@pytest.fixture
def measure(state_dir: Path, clock: Later) -> JobMeasure:
    """One whose runs seem to be open for an hour already."""
    found = JobMeasure()
    _stacks(found)._clock = clock
    return found


def _stacks(measure: JobMeasure) -> Stacks:
    found = measure.pipeline._stacks
    assert found is not None
    return found


def _shown(measure: JobMeasure, capfd: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Returns the stack of each run, by its job, as another process reads it."""
    _stacks(measure).note()
    assert main(["runs", "--json"]) == 0
    stacks: dict[str, str] = {}
    for run in map(json.loads, capfd.readouterr().out.splitlines()):
        assert main(["show", "--json", run["uuid"]]) == 0
        stacks[run["job"]] = json.loads(capfd.readouterr().out)["output"].get("stack", "")
    return stacks


def _in_thread(hung: Hung, job: Callable[[], object], name: str = "worker") -> threading.Thread:
    thread = threading.Thread(target=job, name=name)
    thread.start()
    assert hung.inside.wait(60)
    until(lambda: _waits(thread), "the job hangs")  # a moment after it has said that it is inside
    return thread


def _waits(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code is threading.Condition.wait.__code__


def _functions(stack: str) -> list[str]:
    return [line.rpartition(" in ")[2] for line in stack.splitlines()[1:]]


def test_a_thread_that_hangs(measure: JobMeasure, capfd: pytest.CaptureFixture[str]) -> None:
    """The job's own calls are told, the innermost last, and none of what measures it."""
    hung = Hung()
    thread = _in_thread(hung, measure.job("hung")(lambda: hung.deeper(1)), "worker-7")
    stack = _shown(measure, capfd)["hung"]
    hung.go_on.set()
    thread.join()
    assert stack.startswith("after 36")
    assert stack.partition(" s, ")[2].startswith("in thread worker-7, the innermost call last:\n")
    assert _functions(stack)[1:] == ["Hung.deeper", "Hung.deeper", "Hung.wait_here", "Event.wait", "Condition.wait"]
    assert "otel_job_measure/" not in stack
    assert f'File "{__file__}", line ' in stack


@pytest.mark.parametrize("kind", ["generator", "block"])
def test_a_generator_and_a_block_that_hang(kind: str, measure: JobMeasure, capfd: pytest.CaptureFixture[str]) -> None:
    """So is where a step of a generator hangs, or a `with` block."""
    hung = Hung()

    @measure.job("hung")
    def steps() -> Generator[int]:
        yield 1
        hung.wait_here()

    def block() -> None:
        with measure.run("hung"):
            hung.wait_here()

    thread = _in_thread(hung, (lambda: list(steps())) if kind == "generator" else block)
    stack = _shown(measure, capfd)["hung"]
    hung.go_on.set()
    thread.join()
    assert "Hung.wait_here" in _functions(stack)


def test_tasks_that_hang(measure: JobMeasure, capfd: pytest.CaptureFixture[str]) -> None:
    """Each waiting task is told apart, through coroutines and asynchronous generators; a blocked one by its thread."""

    async def waits(until: asyncio.Event) -> None:
        await until.wait()

    @measure.job("task")
    async def job(until: asyncio.Event) -> None:
        await waits(until)

    @measure.job("steps")
    async def steps(until: asyncio.Event) -> AsyncGenerator[int]:
        yield 1
        await waits(until)

    async def consume(until: asyncio.Event) -> list[int]:
        return [item async for item in steps(until)]

    @measure.job("blocked")
    async def blocked(found: dict[str, str]) -> None:
        found |= _shown(measure, capfd)  # it looks at itself

    async def everything() -> dict[str, str]:
        until, found = asyncio.Event(), dict[str, str]()
        journal = measure.pipeline.journal
        async with asyncio.TaskGroup() as group:
            group.create_task(job(until), name="first")
            group.create_task(consume(until))
            while len(journal.open_starts()) < 2:  # noqa: ASYNC110 - both tasks have to wait inside
                await asyncio.sleep(0)
            await group.create_task(blocked(found))
            until.set()
        return found

    stacks = asyncio.run(everything())
    assert " s, in task first of thread MainThread" in stacks["task"]
    assert [name.rpartition(".")[2] for name in _functions(stacks["task"])] == ["job", "waits", "wait"]
    assert [name.rpartition(".")[2] for name in _functions(stacks["steps"])] == ["steps", "waits", "wait"]
    assert "_shown" in stacks["blocked"] or "taken" in stacks["blocked"] or "note" in stacks["blocked"]


def test_it_is_told_again_when_the_age_has_doubled(
    measure: JobMeasure, clock: Later, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not more often: the last one counts, and `show` tells it to people."""
    hung = Hung()
    thread = _in_thread(hung, measure.job("hung")(hung.wait_here))
    hours: list[int] = []
    for clock.hours in (1, 1, 3, 4, 7):
        hours.append(int(_shown(measure, capfd)["hung"].split(" ")[1]) // 3600)
    assert main(["runs", "--json"]) == 0
    uuid = json.loads(capfd.readouterr().out)["uuid"]
    assert main(["show", uuid]) == 0
    shown = capfd.readouterr().out
    assert main(["runs", "--output", uuid]) == 1  # a stack is no output
    hung.go_on.set()
    thread.join()
    assert hours == [1, 1, 3, 3, 7]
    assert re.search(r"\nstack:\nafter 25[23]\d\d s", shown)  # seven hours, and as long as the test takes
    assert ", in Hung.wait_here\n" in shown


def test_a_limit_of_the_code_counts(measure: JobMeasure, clock: Later, capfd: pytest.CaptureFixture[str]) -> None:
    """A job with a short `max_runtime` is looked at then, another one after a minute."""
    clock.hours = 0
    hung, other = Hung(), Hung()
    threads = [
        _in_thread(hung, measure.job("limited", max_runtime="0.001s")(hung.wait_here)),
        _in_thread(other, measure.job("other")(other.wait_here)),
    ]
    stacks = dict[str, str]()
    while not stacks.get("limited"):
        stacks = _shown(measure, capfd)
    for each, thread in zip((hung, other), threads, strict=True):
        each.go_on.set()
        thread.join()
    assert stacks["other"] == ""


def test_a_deep_stack_is_bounded(measure: JobMeasure, capfd: pytest.CaptureFixture[str]) -> None:
    """The innermost calls are told."""
    hung = Hung()
    thread = _in_thread(hung, measure.job("deep")(lambda: hung.deeper(300)))
    stack = _shown(measure, capfd)["deep"]
    hung.go_on.set()
    thread.join()
    assert len(stack.encode()) <= 4096 < MOST_BYTES
    assert _functions(stack)[-3:] == ["Hung.wait_here", "Event.wait", "Condition.wait"]


def test_a_thread_that_has_ended_is_said_to_have(measure: JobMeasure, capfd: pytest.CaptureFixture[str]) -> None:
    """A run can be ended by another thread than the one that began it."""
    thread = threading.Thread(target=lambda: measure.start("left", key=1))
    thread.start()
    thread.join()
    stack = _shown(measure, capfd)["left"]
    measure.finish(1)
    assert "in thread that has ended" in stack


def test_runs_that_ended_and_runs_of_the_parent_are_not_looked_at(measure: JobMeasure) -> None:
    """Nothing of them stays in memory."""
    measure.job("short")(lambda: None)()
    assert _stacks(measure).places.open() == {}
    with measure.run("open"):
        assert len(_stacks(measure).places.open()) == 1
        child = os.fork()
        if child == 0:
            os._exit(len(_stacks(measure).places.open()))
        assert os.waitpid(child, 0)[1] == 0
