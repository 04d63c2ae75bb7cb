"""The history as a sink of the journal's points."""

import logging
from collections.abc import Sequence
from typing import Final

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.errors import BusyHistoryError, DamagedHistoryError, HistoryError
from otel_job_measure.history.history import History
from otel_job_measure.journal.interfaces import Ack, Chunk, WriteResult

_log = logging.getLogger(names.LOGGER)
_LOOK_AGAIN_NS: Final = 1_000_000_000


class HistorySink:
    """Folds what it is given into the history, and never waits for another process.

    Args:
        history: The history.
        clock: The machine's clocks.
    """

    def __init__(self, history: History, *, clock: Clock | None = None) -> None:
        self._history = history
        self._clock = clock or SystemClock()
        self._look_ns = self._clock.monotonic_ns()

    @property
    def name(self) -> str:
        """Returns its name, for logs."""
        return "the history"

    def position(self, segment: str) -> int:
        """Returns how much of a segment is folded in, in bytes; 0 where that cannot be told now."""
        known = self._history.position(segment)
        now_ns = self._clock.monotonic_ns()
        if known is None and now_ns >= self._look_ns:
            # All at once, and not for each of thousands: what is given again does no harm.
            self._look_ns = now_ns + _LOOK_AGAIN_NS
            try:
                known = self._history.positions().get(segment)
            except HistoryError as error:
                _log.debug("how far segments are in cannot be told: %s", error)
        return known or 0

    def take(self, chunks: Sequence[Chunk]) -> WriteResult:
        """Folds chunks in.

        Args:
            chunks: Each segment's in order.

        Returns:
            `RETRY` where another process is at it, `HOLD` where somebody has to set something first.
        """
        try:
            self._history.fold(chunks)
        except (BusyHistoryError, DamagedHistoryError) as error:
            return WriteResult(taken=Ack.RETRY, words=str(error))
        except HistoryError as error:
            return WriteResult(taken=Ack.HOLD, words=str(error))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not end the shipper
            _log.exception("folding into the history failed")
            return WriteResult(taken=Ack.RETRY, words=f"it failed with {type(error).__name__}")
        return WriteResult(taken=Ack.DONE)

    def forget(self, segments: Sequence[str]) -> None:
        """Is told that these segments are gone."""
        self._history.forget(segments)

    def close(self) -> None:
        """Deletes what is known of segments that are gone; no file is open between two transactions."""
        try:
            self._history.clean()
        except HistoryError as error:
            _log.debug("segments that are gone are still noted: %s", error)
