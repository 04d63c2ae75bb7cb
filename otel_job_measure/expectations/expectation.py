"""What should happen: the limits of a job, which source states them, and since when."""

from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

Scope = Literal["any", "host"]
Source = Literal["code", "exec", "scheduler", "file", "crontab"]

SOURCES: Final[tuple[Source, ...]] = ("code", "exec", "scheduler", "file", "crontab")
"""The first source that states an expectation of a job counts. `file` is `jobs.toml`."""


class JobId(NamedTuple):
    """The identity of a job. No other tag belongs to it; a part without a value is the empty string."""

    job: str
    project: str = ""
    stage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The limits of a job, independent of each other; None means that there is no such limit.

    Args:
        schedule: A cron expression, `@daily` and its like, or systemd's OnCalendar.
        dialect: Whose reading of the schedule counts, one of `schedules.DIALECTS`; None if its form decides.
        timezone: The IANA name of the zone that the schedule means.
        every_s: The seconds from one scheduled start to the next, in place of a schedule.
        by_scheduler: Whether the due times come as lists from the scheduler itself.
        grace_s: How long after a due time a start is still in time; None means a tenth of the shortest gap.
        max_runtime_s: How long a run may take.
        min_runtime_s: How long a run takes at least.
        min_interval_s: How far apart the starts are at least.
        max_age_s: How old the last success may become.
        failures: How many failures in a row make the job `failing`.
        scope: `any`: a run on any host counts; `host`: each host has due times of its own.
    """

    schedule: str | None = None
    dialect: str | None = None
    timezone: str | None = None
    every_s: float | None = None
    by_scheduler: bool = False
    grace_s: float | None = None
    max_runtime_s: float | None = None
    min_runtime_s: float | None = None
    min_interval_s: float | None = None
    max_age_s: float | None = None
    failures: int | None = None
    scope: Scope = "any"

    @property
    def is_empty(self) -> bool:
        """Whether it states no limit at all."""
        return replace(self, scope="any") == Expectation()


class Version(NamedTuple):
    """An expectation and since when it is in force: a due time belongs to the version that was in force then."""

    since_ns: int
    expectation: Expectation


class DueList(NamedTuple):
    """Due times that a scheduler's own code evaluated; before `from_ns` and after `until_ns` it says nothing."""

    from_ns: int
    until_ns: int
    dues_ns: tuple[int, ...]
    """In ascending order."""


class Skip(NamedTuple):
    """A time in which a job need not run: `otel-job-measure skip`, or a maintenance window."""

    from_ns: int
    until_ns: int
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedJob:
    """What one source says of one job, from its first word to its retirement.

    Args:
        job: The job.
        source: What kind of source it is.
        origin: Where exactly: a service's name, or a file's path.
        host: The host whose runs count, if the scope is `host`; else None.
        first_seen_ns: When the source was first seen; no due time lies before it. In ns since 1970.
        versions: At least one, the oldest first.
        due_lists: Of a scheduler's source, the oldest first.
        skips: Times in which the job need not run.
        retired_ns: Since when it is retired, None if it is in force.
        retired_why: Why it was retired.
    """

    job: JobId
    source: Source
    origin: str = ""
    host: str | None = None
    first_seen_ns: int
    versions: tuple[Version, ...]
    due_lists: tuple[DueList, ...] = ()
    skips: tuple[Skip, ...] = ()
    retired_ns: int | None = None
    retired_why: str = ""

    @property
    def expectation(self) -> Expectation:
        """The present version."""
        return self.versions[-1].expectation
