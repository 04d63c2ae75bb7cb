"""Getting the next batch ready while a server takes one, in a process that has nothing else to do."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from typing import Protocol

from otel_job_measure.delivery.beside import Beside
from otel_job_measure.journal.interfaces import Chunk


class Preparing(Protocol):
    """A sink that can get chunks ready while it takes others."""

    def prepare(self, chunks: Sequence[Chunk]) -> None:
        """Gets chunks ready that it will be given next, as far as anybody knows."""
        ...


class Ahead:
    """Reads the next batch, and has the sink compress it, while the sink waits for an answer.

    Args:
        sink: The sink.
        beside: Does it on another thread.
    """

    def __init__(self, sink: Preparing, beside: Beside) -> None:
        self._sink = sink
        self._beside = beside

    @contextlib.contextmanager
    def preparing(self, read: Callable[[], Sequence[Chunk]]) -> Generator[None]:
        """Prepares what follows during the block, and is done with it at its end.

        What fails is of no account here: it is tried again, and said, when it is that batch's turn.

        Args:
            read: Reads it.
        """
        prepared = self._beside.submit(lambda: self._sink.prepare(read()))
        try:
            yield
        finally:
            prepared.exception()
