"""The monitor's values: what runs now, what was found, and how complete a sender's rows are."""

from dataclasses import dataclass

from otel_job_measure.expectations.expectation import JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One finding, or one due time that was skipped. Every checker writes the same bytes for the same finding.

    Args:
        job: The job.
        event: `missed`, `skipped`, `overrun`, `recovered` and the like.
        at_ns: The row's time: the due time, the start plus the limit, or the start that cleared a finding.
        due_ns: The due time that it is about; None if there is none.
        uuid: The run that it is about; None if there is none.
        detail: What else is known, in words.
        withdrawn: Whether later data refuted it.
    """

    job: JobId
    event: str
    at_ns: int
    due_ns: int | None = None
    uuid: str | None = None
    detail: str = ""
    withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state of a job as a checker found it.

    Args:
        job: The job.
        at_ns: When it was found.
        state: The first state that holds.
        level: 0 for ok, 1 for a warning, 2 for critical, 3 for unknown.
        since_ns: Since when the job is in this state.
        due_ns: The due time that it is about; None if there is none.
    """

    job: JobId
    at_ns: int
    state: str
    level: int
    since_ns: int
    due_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The last word of the process that ships a host's rows.

    Args:
        host: The host.
        at_ns: When it was sent.
        complete_until_ns: All rows of this host up to that time are at the server.
        pending: The points that wait.
        left: Whether the sender ended in order, so that its silence means nothing.
    """

    host: str
    at_ns: int
    complete_until_ns: int
    pending: int
    left: bool
