"""Which runs a question is about."""

from dataclasses import dataclass
from typing import Final

from otel_job_measure import names
from otel_job_measure.history.run_record import RUNNING

WORDS: Final = (RUNNING, names.STATUS_END, names.STATUS_FAILED, *names.REASONS)
"""What runs can be filtered by: a status or a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs are asked for; None and an empty tuple mean all.

    Args:
        job: The job's name, or a pattern with `*` and `?`.
        project: The project; the empty string means runs without one.
        stage: The stage; the empty string means runs without one.
        host: The host.
        words: Statuses and reasons, of `WORDS`; a run has one of them.
        since_ns: The earliest start; a run whose start is unknown counts from its end.
        until_ns: Only starts before this time.
    """

    job: str | None = None
    project: str | None = None
    stage: str | None = None
    host: str | None = None
    words: tuple[str, ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None


ALL = Wanted()
