"""The monitor's values: what runs now, what was found, and how complete a sender's rows are."""

from collections.abc import Mapping
from dataclasses import dataclass

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """A sign of life of an open run.

    Args:
        tags: The tags of the run's rows, `job` among them.
        at_ns: When it was given.
        uuid: The run's id.
        host: Where it runs.
        age_s: How long it has been running, in seconds.
        interval_s: How often a sign of life comes, in seconds.
    """

    tags: Mapping[str, str]
    at_ns: int
    uuid: str
    host: str
    age_s: float
    interval_s: float

    @property
    def job(self) -> JobId:
        """The run's job."""
        return job_of(self.tags)


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
class Expected:
    """What one source says of one job, as a row.

    Args:
        job: The job.
        at_ns: The row's time: since when the version is in force, or a time of the day for the daily repetition.
        source: What kind of source it is, of `expectation.SOURCES`.
        version: Which version it is, from 1.
        text: The `ExpectedJob` as JSON.
    """

    job: JobId
    at_ns: int
    source: str
    version: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The last word of a process that ships a host's rows.

    Args:
        host: The host.
        at_ns: When it was sent.
        complete_until_ns: All rows up to that time of those that the process sends are at the server.
        pending: How many bytes of lines wait.
        left: Whether the sender ended in order, so that its silence means nothing.
    """

    host: str
    at_ns: int
    complete_until_ns: int
    pending: int
    left: bool


MonitorRow = Alive | Event | State | Expected | Sender
"""What the monitor's five measurements hold."""


def job_of(tags: Mapping[str, str]) -> JobId:
    """Returns the job that a row's tags name."""
    return JobId(*(tags.get(name, "") for name in (names.TAG_JOB, names.TAG_PROJECT, names.TAG_STAGE)))
