"""What stands in for a server where the library that delivers cannot be loaded."""

from collections.abc import Sequence

from otel_job_measure.journal.interfaces import Ack, Chunk, WriteResult


class Unavailable:
    """A sink that takes nothing, so that points wait where another process finds them.

    A job must not fail of it: Python itself refuses to load some modules once the main thread has come to its end,
    while jobs go on in others.

    Args:
        name: What the server's sink is called.
        words: Why the library cannot be loaded.
    """

    reachable: bool | None = None
    """Whether the server answered the last request: there was none."""
    last_success_ns: int | None = None
    """When the server last took points: it never did."""

    def __init__(self, name: str, words: str) -> None:
        self.name = name
        self._answer = WriteResult(taken=Ack.HOLD, words=words)

    def position(self, segment: str) -> int:  # noqa: ARG002 - the sink's
        """Returns 0: nothing was sent."""
        return 0

    def take(self, chunks: Sequence[Chunk]) -> WriteResult:  # noqa: ARG002 - the same
        """Takes nothing, and says why."""
        return self._answer

    def forget(self, segments: Sequence[str]) -> None:
        """Has nothing to forget."""

    def close(self) -> None:
        """Has nothing to close."""
