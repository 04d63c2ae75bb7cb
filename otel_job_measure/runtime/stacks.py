"""Where a run that is open for long hangs: its stack goes into the journal as a comment, and so into the history.

The shipper's thread looks, so the job's thread does nothing for it. Only code and line numbers are read: no values, and
no source, which a program that has been updated meanwhile has no longer.
"""

import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any, Final, cast

from otel_job_measure.clock import Clock
from otel_job_measure.journal.kept_output import STACK, KeptOutput, encode
from otel_job_measure.spans.declarations import Declarations
from otel_job_measure.spans.places import Place, Places

_MOST_AT_ONCE: Final = 5
_MOST_FRAMES: Final = 50
_MOST_BYTES: Final = 4096
_OURS: Final = str(Path(__file__).parents[1])
_Line = tuple[CodeType, int | None]


class Stacks:
    """Looks where long runs are: once one is open for `least_s` or its `max_runtime`, and whenever its age has doubled.

    `declarations` have the `max_runtime` that the code says of a job, and `note` takes the comments.
    """

    def __init__(
        self,
        clock: Clock,
        least_s: float,
        declarations: Declarations,
        note: Callable[[bytes], object],
    ) -> None:
        self.places = Places()
        self._clock = clock
        self._least_s = least_s
        self._declarations = declarations
        self._note = note
        self._next_s: dict[str, float] = {}

    def note(self, patience_s: float = 0.0) -> None:
        """Looks at the runs that are due, some at a time."""
        del patience_s  # it waits for nothing
        now_ns, places = self._clock.monotonic_ns(), self.places.open()
        self._next_s = {uuid: next_s for uuid, next_s in self._next_s.items() if uuid in places}
        left = _MOST_AT_ONCE
        for uuid, place in places.items():
            age_s = (now_ns - place.began_ns) / 1e9
            if age_s < self._due_s(uuid, place) or place.start_ns <= 0:
                continue
            self._next_s[uuid] = 2 * age_s
            self._note(encode(KeptOutput(uuid, place.start_ns, STACK, _text(place, age_s))))
            left -= 1
            if left == 0:
                return

    def _due_s(self, uuid: str, place: Place) -> float:
        if uuid not in self._next_s:
            limit_s = self._declarations.max_runtime_s(place.job, place.settings)
            self._next_s[uuid] = self._least_s if limit_s is None else min(limit_s, self._least_s)
        return self._next_s[uuid]


def _text(place: Place, age_s: float) -> bytes:
    where, lines = _lines_of(place)
    head = f"after {age_s:.0f} s, in {where}, the innermost call last:".encode("utf-8", "replace")
    shown: list[bytes] = []
    left = _MOST_BYTES - len(head)
    for code, number in lines:  # the innermost first: those count
        line = f'\n  File "{code.co_filename}", line {number}, in {code.co_qualname}'.encode("utf-8", "replace")
        left -= len(line)
        if left < 0:
            break
        shown.append(line)
    return head[:_MOST_BYTES] + b"".join(reversed(shown))


def _lines_of(place: Place) -> tuple[str, list[_Line]]:
    """Returns where a run is, in words, and its calls, the innermost first, up to what measures it."""
    thread = next((each.name for each in threading.enumerate() if each.ident == place.thread), "that has ended")
    lines: list[_Line] | None = None
    name = f"thread {thread}"
    if place.loop is not None and (task := _task(place)) is not None:
        name = f"task {task.get_name()} of {name}"
        # A task that runs at this moment, or holds up its loop, is on the stack of its thread.
        is_current = sys.modules["asyncio"].current_task(place.loop) is task
        lines = None if is_current else _suspended(task.get_coro())
    if lines is None:
        lines = _running(sys._current_frames().get(place.thread))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - there is no other way
    inner = next((at for at, (code, _) in enumerate(lines) if code.co_filename.startswith(_OURS)), 0)
    return name, (lines[:inner] or lines)[:_MOST_FRAMES]


def _task(place: Place) -> Any | None:  # noqa: ANN401 - of any loop
    return next((task for task in sys.modules["asyncio"].all_tasks(place.loop) if id(task) == place.task), None)


def _running(frame: FrameType | None) -> list[_Line]:
    found: list[_Line] = []
    while frame is not None and len(found) < 20 * _MOST_FRAMES:
        found.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return found


def _suspended(awaited: Any) -> list[_Line]:  # noqa: ANN401 - what a task awaits
    """Returns the calls of a task that waits: each of its coroutines and generators, the innermost first."""
    found: list[_Line] = []
    while awaited is not None and len(found) < 20 * _MOST_FRAMES:
        frame: FrameType | None = None
        if isinstance(awaited, CoroutineType):
            frame, awaited = awaited.cr_frame, awaited.cr_await
        elif isinstance(awaited, AsyncGeneratorType):
            frame, awaited = awaited.ag_frame, awaited.ag_await
        elif isinstance(awaited, GeneratorType):
            frame, awaited = awaited.gi_frame, cast("Any", awaited).gi_yieldfrom
        else:
            awaited = _behind(awaited)
        if frame is not None:
            found.append((frame.f_code, frame.f_lineno))
    return found[::-1]


def _behind(awaited: Any) -> Any:  # noqa: ANN401 - what a task awaits
    """Returns what one of Python's own wrappers stands for, such as a step of an asynchronous generator."""
    if cast("Any", type(awaited)).__module__ != "builtins":
        return None
    kinds: tuple[Any, ...] = (AsyncGeneratorType, CoroutineType)
    return next((each for each in gc.get_referents(awaited) if isinstance(each, kinds)), None)
