"""A thread beside the one that sends, in a process that has nothing else to do."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

_T = TypeVar("_T")


class Beside:
    """Does one thing after another on a thread of its own; at once, where the system has no room for a thread.

    Args:
        name: The thread's.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, name)
        self._has_room = True

    def __enter__(self) -> Self:
        """Returns itself; the thread begins with the first thing to do."""
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Waits until everything is done."""
        self._pool.shutdown()

    def submit(self, do: Callable[..., _T], *arguments: Any) -> "Future[_T]":  # noqa: ANN401 - those of `do`
        """Does something after everything that came before it.

        Args:
            do: What to do.
            *arguments: What it is given.

        Returns:
            What comes of it.
        """
        if self._has_room:
            try:
                return self._pool.submit(do, *arguments)
            except RuntimeError:  # what the pool has queued stays there: without a thread nobody takes it
                self._has_room = False
        done: Future[_T] = Future()
        try:
            done.set_result(do(*arguments))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it, as from the thread
            done.set_exception(error)
        return done
