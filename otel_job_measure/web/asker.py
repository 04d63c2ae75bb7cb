"""Threads that ask the store while the server goes on; Python waits for none of them at its end."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

_T = TypeVar("_T")
_THREADS: Final = 3
_MOST_WAITING: Final = 200


class BusyError(Exception):
    """Too many questions wait."""


class Asker:
    """Runs questions that take time, a few at once; `start` begins."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Future[Any], Callable[[], Any]]]
        self._waiting = queue.Queue(_MOST_WAITING)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_THREADS)]

    def start(self) -> None:
        """Begins to answer."""
        for thread in self._threads:
            thread.start()

    async def ask(self, question: Callable[[], _T]) -> _T:
        """Returns what a question returns, or raises what it raises.

        Raises:
            BusyError: Too many questions wait.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()
        try:
            self._waiting.put_nowait((loop, answer, question))
        except queue.Full:
            raise BusyError from None
        return await answer

    def _work(self) -> None:
        while True:
            loop, answer, question = self._waiting.get()
            if answer.cancelled():
                continue
            result: Any = None
            failure: Exception | None = None
            try:
                result = question()
            except Exception as error:  # noqa: BLE001 - it is raised where the question was asked
                failure = error
            with suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(_settle, answer, result, failure)
            del result, failure, answer, question


def _settle(answer: "asyncio.Future[Any]", result: object, failure: Exception | None) -> None:
    if answer.done():
        return
    if failure is not None:
        answer.set_exception(failure)
    else:
        answer.set_result(result)
