"""A recorder for `exec`: it needs no OpenTelemetry SDK, and nothing that delivers before the command runs."""

import contextlib

from otel_job_measure.clock import SystemClock
from otel_job_measure.errors import HistoryError
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.pipeline import Pipeline
from otel_job_measure.settings import Settings
from otel_job_measure.settings.model import LOCAL

_ENOUGH = 64
"""How many segments are worth a transaction of the history, and the 7 ms that SQLite takes to load."""


class OpenedRecorder:
    """A journal of its own process with what writes to it.

    Args:
        settings: What to write, and where to.
    """

    def __init__(self, settings: Settings) -> None:
        self._pipeline = Pipeline(settings, ships=False)
        self.recorder = self._pipeline.recorder(settings)
        self._delivers = settings.ship and settings.destination is not None

    def deliver(self) -> None:
        """Imports what delivery needs and begins to send, where InfluxDB is configured."""
        if self._delivers:
            self._pipeline.ship()
            self._pipeline.journal.wake()

    def keep_up(self) -> None:
        """Gives a sign of life, writes what could not be written before, and looks after what others left."""
        self._pipeline.journal.maintain()
        if not self._delivers and self._needs_maintenance():
            self._pipeline.source().recover()

    def close(self, timeout_s: float) -> bool:
        """Sends what is not sent yet, and leaves the rest to others.

        Args:
            timeout_s: How long to try at most, in seconds.

        Returns:
            Whether nothing is left to send.
        """
        if self._delivers or not self._needs_maintenance():
            return self._pipeline.close(timeout_s)
        self._pipeline.source().recover()
        is_done = self._pipeline.close(timeout_s)
        ingest_ready(self._pipeline.settings, within_s=timeout_s)
        return is_done

    def _needs_maintenance(self) -> bool:
        """Returns whether no process has maintained the state directory lately: one look at a file."""
        settings = self._pipeline.settings
        return not settings.in_memory and StateDir(settings.state_path).needs_maintenance(SystemClock())


def open_recorder(settings: Settings) -> OpenedRecorder:
    """Opens a recorder.

    Args:
        settings: What to write, and where to.

    Returns:
        The recorder, with what delivers and closes.
    """
    return OpenedRecorder(settings)


def ingest_ready(settings: Settings, *, within_s: float) -> None:
    """Ingests the segments that only the history takes, if they are enough to be worth it.

    Without a shipper nothing else may do so for months: commands in a crontab leave a segment each.

    Args:
        settings: Where the state directory is.
        within_s: The longest time, in seconds.
    """
    if settings.destination_id != LOCAL or not settings.history:
        return
    state = StateDir(settings.state_path)
    waiting = next(state.ready_windows({LOCAL}), None) or []
    if len(waiting) < _ENOUGH:
        return
    from otel_job_measure.runtime import history_reader  # noqa: PLC0415 - SQLite, which most commands do without

    history = history_reader.history_of(settings)
    with contextlib.suppress(HistoryError):  # another process is at it, or a reader of the history is told
        history.catch_up(waiting, within_s=within_s)
        history_reader.drop_local(state, history, waiting)
