"""The limits that people declare of a job, by name. It loads nothing: most jobs declare none."""

from datetime import timedelta
from typing import Literal, TypedDict

Duration = str | float | timedelta
"""Such as `"30m"`, `"1h 30m"`, `90` (seconds) or a timedelta."""


class Limits(TypedDict, total=False):
    """What should happen to a job, all optional. A wrong value is logged once and left out."""

    schedule: str
    """A cron expression, `@daily` and its like, or systemd's OnCalendar."""
    dialect: str
    """Whose reading of the schedule counts, such as `celery`; by default its form decides: cron or OnCalendar."""
    timezone: str
    """The IANA name of the schedule's time zone; by default this machine's."""
    every: Duration
    """From one start to the next, in place of a schedule."""
    grace: Duration
    """How long after a due time a start is still in time."""
    max_runtime: Duration
    min_runtime: Duration
    min_interval: Duration
    """How far apart starts are at least."""
    max_age: Duration
    """How old the last success may become."""
    failures: int
    """How many failures in a row make the job `failing`."""
    scope: Literal["any", "host"]
    """`any`: a run on any host counts; `host`: each host has due times of its own."""
