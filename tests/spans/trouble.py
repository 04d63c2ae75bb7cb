"""Runs jobs through every door while something of ours fails at one line after the other; says what a job would notice.

Started as a process of its own, without coverage, which traces lines itself: `trouble.py lines` or `trouble.py depth`.
"""

import ast
import functools
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import otel_job_measure
from otel_job_measure import JobMeasure, compose, compose_sync

ROOT: Final = Path(otel_job_measure.__file__).parent
DOORS: Final = {
    "lasting.py",
    "wrappers.py",
    "compose.py",
    "decorator.py",
    "context_manager.py",
    "middleware.py",
    "measure.py",
}
"""Their own lines are on the way from the caller to the job, and not inside anything that could hold them back."""
RESULT: Final = object()
OWN: Final = ValueError("the job's own")
_ENTRANCES: Final = {"active_run.py", "current.py"}


class Job:
    """A job that counts how often it ran."""

    def __init__(self, measure: JobMeasure) -> None:
        self.ran = 0
        self.doors: dict[str, tuple[Callable[[], object], object]] = {
            "decorator": (measure.job("j")(self.well), RESULT),
            "decorator, raising": (measure.job("j")(self.badly), OWN),
            "with": (self.block(measure, self.well), RESULT),
            "with, raising": (self.block(measure, self.badly), OWN),
            "middleware": (self.chain(measure, self.well), RESULT),
            "middleware, raising": (self.chain(measure, self.badly), OWN),
            "async middleware": (self.async_chain(measure, self.well), RESULT),
            "coroutine": (self.driven(measure.job("j")(self.coroutine)), RESULT),
            "coroutine from a function": (self.driven(measure.job("j")(self.giving)), RESULT),
            "generator": (self.steps(measure.job("j")(self.generator)), 3),
        }

    def forget(self) -> None:
        self.ran = 0
        OWN.__traceback__ = None  # else it would remember every time that it was raised

    def well(self) -> object:
        self.ran += 1
        return RESULT

    def badly(self) -> object:
        self.ran += 1
        raise OWN

    async def coroutine(self) -> object:
        return self.well()

    def giving(self) -> Coroutine[Any, Any, object]:
        return self.coroutine()

    def generator(self) -> Any:  # noqa: ANN401 - a generator
        self.ran += 1
        yield 1
        yield 2

    def block(self, measure: JobMeasure, job: Callable[[], object]) -> Callable[[], object]:
        def run() -> object:
            with measure.run("j"):
                return job()

        return run

    def chain(self, measure: JobMeasure, job: Callable[[], object]) -> Callable[[], object]:
        composed = compose_sync([measure.sync_middleware], lambda _ctx: job())
        return lambda: composed({"name": "j"})

    def async_chain(self, measure: JobMeasure, job: Callable[[], object]) -> Callable[[], object]:
        composed = compose([measure.middleware], lambda _ctx: job())
        return self.driven(lambda: composed({"name": "j"}))

    def driven(self, function: Callable[[], Any]) -> Callable[[], object]:
        def run() -> object:
            coroutine: Coroutine[Any, Any, object] = function()
            try:
                coroutine.send(None)
            except StopIteration as stop:
                return stop.value
            finally:
                coroutine.close()
            raise AssertionError("it waits for something")

        return run

    def steps(self, function: Callable[[], Any]) -> Callable[[], object]:
        return lambda: sum(function())


class Failing:
    """Raises MemoryError at the line of ours that has a number, counted from the door on."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.where: str | None = None

    def __call__(self, frame: FrameType, event: str, _arg: object) -> Any:  # noqa: ANN401 - as settrace has it
        path = _path(frame.f_code.co_filename)
        if not path.is_relative_to(ROOT) or path.name in DOORS:
            return None
        return self.line

    def line(self, frame: FrameType, event: str, _arg: object) -> Any:  # noqa: ANN401 - as settrace has it
        path = _path(frame.f_code.co_filename)
        if event == "line" and (path.name not in _ENTRANCES or frame.f_lineno in _held_back(path)):
            self.left -= 1
            if self.left == 0:
                self.where = f"{path.name}:{frame.f_lineno}"
                raise MemoryError
        return self.line


_path = functools.cache(Path)
_lines: dict[Path, set[int]] = {}


def _held_back(path: Path) -> set[int]:
    """Returns the lines of a file that are in a `try`, or in a function that is called from one."""
    if path not in _lines:
        tree = ast.parse(path.read_text())
        entrances = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        held = set[int]()
        for function in entrances:
            tries: list[ast.stmt] = [node for node in function.body if isinstance(node, ast.Try)]
            for block in cast("list[ast.Try]", tries or [function]):
                first, last = block.body[0], block.body[-1]
                held.update(range(first.lineno, (last.end_lineno or last.lineno) + 1))
        _lines[path] = held
    return _lines[path]


def say(words: str) -> None:
    """Writes a line to stdout."""
    sys.stdout.write(f"{words}\n")


def outcome(door: Callable[[], object]) -> object:
    """Returns what comes out of a door: a result, or an exception."""
    try:
        return door()
    except BaseException as error:  # noqa: BLE001 - whatever it is
        return error


def at_every_line(job: Job) -> None:
    """Lets each line fail once, for each door."""
    for name, (door, wanted) in job.doors.items():
        number = 0
        while True:
            number += 1
            job.forget()
            failing = Failing(number)
            sys.settrace(failing)
            came = outcome(door)
            sys.settrace(None)
            if failing.where is None:
                say(f"{name}: {number - 1} lines")
                break
            if (came is not wanted and came != wanted) or job.ran != 1:
                say(f"BROKEN {name}, {failing.where}: {came!r}, the job ran {job.ran} times")


def at_every_depth(job: Job) -> None:
    """Calls each door from every depth at which the stack can end inside of it."""

    def at(depth: int, door: Callable[[], object]) -> object:
        return door() if depth == 0 else at(depth - 1, door)

    limit = 400
    sys.setrecursionlimit(limit)
    for name, (door, wanted) in job.doors.items():
        entered = 0
        for depth in range(limit - 150, limit):
            job.forget()
            came = outcome(functools.partial(at, depth, door))
            entered += job.ran
            whole = came is wanted or came == wanted
            if not (whole and job.ran == 1) and not (isinstance(came, RecursionError) and job.ran == 0):
                say(f"BROKEN {name}, {limit - depth} frames before the end: {came!r}, the job ran {job.ran} times")
        say(f"{name}: {entered} runs")


if __name__ == "__main__":
    logging.getLogger("otel_job_measure").addHandler(logging.NullHandler())
    logging.getLogger("otel_job_measure").propagate = False
    if "--traced" in sys.argv:
        trace.set_tracer_provider(TracerProvider())
    made = Job(JobMeasure())
    for first, _ in made.doors.values():
        outcome(first)
    {"lines": at_every_line, "depth": at_every_depth}[sys.argv[1]](made)
    sys.stdout.flush()
    os._exit(0)
