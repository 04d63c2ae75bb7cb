"""Runs that are older than the retention go, a few at a time."""

from typing import TYPE_CHECKING, Final

from otel_job_measure.clock import Clock

if TYPE_CHECKING:
    import sqlite3

_EVERY_NS: Final = 600_000_000_000
_AT_ONCE: Final = 200


class Pruning:
    """Says when to look for old runs, and deletes them.

    Args:
        retention_s: How long runs are kept after they ended, in seconds.
        clock: The machine's clocks.
    """

    def __init__(self, retention_s: float, clock: Clock) -> None:
        self._retention_ns = int(retention_s * 1e9)
        self._clock = clock
        self._due_ns = clock.monotonic_ns()

    def is_due(self) -> bool:
        """Returns whether it is time to look."""
        return self._clock.monotonic_ns() >= self._due_ns

    def prune(self, connection: "sqlite3.Connection") -> None:
        """Deletes some old runs; where there may be more it stays due.

        A run that is still open counts by its start. What is known of segments that nobody spoke of for so long goes
        too: at worst they are folded once more.

        Args:
            connection: In a transaction.
        """
        oldest_ns = self._clock.wall_ns() - self._retention_ns
        deleted = sum(
            connection.execute(f"DELETE FROM {what} LIMIT ?)", (oldest_ns, _AT_ONCE)).rowcount  # noqa: S608 - ours
            for what in (
                "runs WHERE id IN (SELECT id FROM runs WHERE ended_ns < ?",
                "runs WHERE id IN (SELECT id FROM runs WHERE ended_ns IS NULL AND started_ns < ?",
                "segments WHERE name IN (SELECT name FROM segments WHERE at_ns < ?",
            )
        )
        if deleted == 0:
            self._due_ns = self._clock.monotonic_ns() + _EVERY_NS
