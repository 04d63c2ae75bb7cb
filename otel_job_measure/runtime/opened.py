"""A recorder for `exec`: it needs no OpenTelemetry SDK, and nothing that delivers before the command runs."""

from otel_job_measure.runtime import chores
from otel_job_measure.runtime.pipeline import Pipeline
from otel_job_measure.settings import Settings


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
        if not self._delivers and chores.are_due(self._pipeline.settings):
            chores.look_after(self._pipeline.journal)

    def close(self, timeout_s: float) -> bool:
        """Sends what is not sent yet, and leaves the rest to others.

        Args:
            timeout_s: How long to try at most, in seconds.

        Returns:
            Whether nothing is left to send.
        """
        settings = self._pipeline.settings
        if self._delivers or not chores.are_due(settings):
            return self._pipeline.close(timeout_s)
        chores.look_after(self._pipeline.journal)
        is_done = self._pipeline.close(timeout_s)
        chores.fold_left(settings, within_s=timeout_s)
        return is_done


def open_recorder(settings: Settings) -> OpenedRecorder:
    """Opens a recorder.

    Args:
        settings: What to write, and where to.

    Returns:
        The recorder, with what delivers and closes.
    """
    return OpenedRecorder(settings)
