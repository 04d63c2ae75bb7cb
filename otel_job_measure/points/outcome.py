"""How a run ended."""

from typing import NamedTuple

from otel_job_measure import names


class Outcome(NamedTuple):
    """What is known of an ending besides its time.

    Args:
        reason: Why the run failed, one of `names.REASONS`; None for a run that ended well.
        error_type: The class of the exception, as `error.type` has it, or whatever the opener of the span said.
        error_message: Its text; it is written only where that was asked for.
    """

    reason: str | None = None
    error_type: str | None = None
    error_message: str | None = None

    @property
    def status(self) -> str:
        """Returns the row's `status`: `end` or `failed`."""
        return names.STATUS_END if self.reason is None else names.STATUS_FAILED


ENDED = Outcome()
FAILED = Outcome(reason=names.REASON_ERROR)
