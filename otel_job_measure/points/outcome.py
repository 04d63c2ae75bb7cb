"""How a run ended."""

import signal
from typing import NamedTuple

from otel_job_measure import names


class Outcome(NamedTuple):
    """Why and with which exception a run ended.

    Args:
        reason: Why the run failed, one of `names.REASONS`; None if it ended well.
        error_type: The class of the exception, as in the span attribute `error.type`.
        error_message: The text of the exception; written only if `OTEL_JOB_MEASURE_ERROR_MESSAGE` is on.
    """

    reason: str | None = None
    error_type: str | None = None
    error_message: str | None = None

    @property
    def status(self) -> str:
        """The row's `status`: `end` or `failed`."""
        return names.STATUS_END if self.reason is None else names.STATUS_FAILED

    @property
    def success(self) -> float | None:
        """The row's `success`: 1.0 or 0.0; None if this ending says nothing about the job itself."""
        if self.reason in names.UNCOUNTED_REASONS:
            return None
        return 1.0 if self.reason is None else 0.0


ENDED = Outcome()
FAILED = Outcome(reason=names.REASON_ERROR)


def outcome_of_exit(code: int, message: str | None = None) -> Outcome:
    """Returns how a process failed, by its exit code: that of a process killed by a signal is negative."""
    if code < 0:
        return Outcome(reason=names.REASON_SIGNAL, error_type=signal_name(-code), error_message=message)
    return Outcome(reason=names.REASON_EXIT, error_type=f"exit {code}", error_message=message)


def signal_name(number: int) -> str:
    """Returns the name of a signal, as `SIGKILL`."""
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals between the first and the last
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


class Ending(NamedTuple):
    """Everything that the rows of an ending say, apart from the tags of its series; None means unknown."""

    uuid: str
    outcome: Outcome
    end_ns: int
    """In nanoseconds since 1970."""
    duration_s: float | None = None
    """By a monotonic clock."""
    host: str | None = None
    trace_id: str | None = None
    """In hex."""
    span_id: str | None = None
    """In hex."""
    attempt: int | None = None
    """From 1."""
    lag_s: float | None = None
    queued_s: float | None = None
    trigger: str | None = None
    """One of `names.TRIGGERS`."""
    task_id: str | None = None
