"""The history as a sink of the journal's points."""

from collections.abc import Callable, Sequence
from typing import Final

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.errors import BusyHistoryError, DamagedHistoryError, HistoryError
from otel_job_measure.history.history import History
from otel_job_measure.journal.interfaces import Ack, Chunk, WriteResult
from otel_job_measure.rate_limited_log import LOG

_LOOK_AGAIN_NS: Final = 1_000_000_000


class HistorySink:
    """Ingests points into the history, and never waits for another process; while `is_off`, it takes nothing."""

    def __init__(self, history: History, *, clock: Clock | None = None, is_off: Callable[[], bool] = bool) -> None:
        self._history = history
        self._is_off = is_off
        self._clock = clock or SystemClock()
        self._look_ns = self._clock.monotonic_ns()

    @property
    def name(self) -> str:
        """The name in log lines."""
        return "the history"

    def committed_offset(self, segment: str) -> int:
        """Returns how many bytes of a segment are in; 0 if that cannot be read now."""
        known = self._history.position(segment)
        now_ns = self._clock.monotonic_ns()
        if known is None and now_ns >= self._look_ns:
            # All at once, because there may be thousands; ingesting a segment again does no harm.
            self._look_ns = now_ns + _LOOK_AGAIN_NS
            try:
                known = self._history.positions().get(segment)
            except HistoryError as error:
                LOG.debug("the positions of segments cannot be read: %s", error)
        return known or 0

    def write(self, chunks: Sequence[Chunk], *, deadline_ns: int | None = None) -> WriteResult:  # noqa: ARG002 - the protocol's
        """Ingests chunks; an answer of HOLD means that the configuration or the file has to change first."""
        if self._is_off():  # without a state directory there is no history either
            return WriteResult(ack=Ack.DONE)
        try:
            self._history.fold(chunks)
        except (BusyHistoryError, DamagedHistoryError) as error:
            return WriteResult(ack=Ack.RETRY, message=str(error))
        except HistoryError as error:
            return WriteResult(ack=Ack.HOLD, message=str(error))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not end the shipper
            LOG.exception("ingest into the history failed")
            return WriteResult(ack=Ack.RETRY, message=f"it failed with {type(error).__name__}")
        return WriteResult(ack=Ack.DONE)

    def forget(self, segments: Sequence[str]) -> None:
        """Forgets deleted segments."""
        self._history.forget(segments)

    def close(self) -> None:
        """Deletes the notes about deleted segments; no file is open between two transactions."""
        try:
            self._history.clean()
        except HistoryError as error:
            LOG.debug("deleted segments are still noted: %s", error)
