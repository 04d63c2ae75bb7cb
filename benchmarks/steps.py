"""How long an event loop is held: by each step of a coroutine between two of its waits."""

import asyncio
import time
from array import array
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any


class _Stepped:
    """A coroutine whose steps are timed."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], keep: Callable[[int], None]) -> None:
        self._coroutine = coroutine
        self._keep = keep

    def __await__(self) -> Generator[Any, Any, None]:
        step, clock = partial(self._coroutine.send, None), time.perf_counter_ns
        while True:
            began = clock()
            try:
                wanted = step()
            except StopIteration:
                return
            finally:
                self._keep(clock() - began)
            try:
                step = partial(self._coroutine.send, (yield wanted))
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's, whatever it is
                step = partial(self._coroutine.throw, error)


def steps(run: Callable[[], Coroutine[Any, Any, object]], *, tasks: int, most: int, for_s: float) -> "array[int]":
    """Times the steps of coroutines, in many tasks of one event loop.

    Args:
        run: Makes a coroutine that measures an asynchronous job once.
        tasks: How many at once.
        most: How many runs at most, in all.
        for_s: How long to go on, in seconds.

    Returns:
        How long each step held the loop, in ns.
    """
    took_ns = array("q")
    left = iter(range(most))

    async def one_after_another(ends_s: float) -> None:
        while time.monotonic() < ends_s and next(left, None) is not None:
            await _Stepped(run(), took_ns.append)

    async def all_at_once() -> None:
        ends_s = time.monotonic() + for_s
        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(one_after_another(ends_s))

    asyncio.run(all_at_once())
    return took_ns
