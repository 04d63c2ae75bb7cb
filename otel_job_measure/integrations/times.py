"""Times as adapters say them: in nanoseconds, and the next due times of a job as the monitor gets them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from otel_job_measure import timestamps

AHEAD: Final = timedelta(days=8)
"""Up to when due times are said."""
MOST_DUES: Final = 500
"""How many of one job are said at most."""
AGAIN_S: Final = 3600.0
"""After how long they are said again, if nothing has changed."""


class Upcoming(NamedTuple):
    """The due times from now on, complete up to a moment; all in ns since 1970."""

    dues_ns: list[int]
    until_ns: int


def nanoseconds(at: datetime) -> int:
    """Returns a time, in UTC if it has no zone, in ns since 1970."""
    return timestamps.nanoseconds(at if at.tzinfo is not None else at.replace(tzinfo=UTC))


def upcoming(dues: Iterable[datetime], now: datetime, most: int = MOST_DUES) -> Upcoming:
    """Returns what is said of due times that are given in ascending order."""
    until_ns = nanoseconds(now + AHEAD)
    found: list[int] = []
    for due in dues:
        due_ns = nanoseconds(due)
        if due_ns > until_ns:
            break
        found.append(due_ns)
        if len(found) == most:
            return Upcoming(found, due_ns)
    return Upcoming(found, until_ns)


def together(parts: Sequence[Upcoming], now: datetime) -> Upcoming:
    """Returns the due times of several entries of a schedule as those of one job."""
    until_ns = min((part.until_ns for part in parts), default=nanoseconds(now + AHEAD))
    dues = sorted({due for part in parts for due in part.dues_ns if due <= until_ns})[:MOST_DUES]
    return Upcoming(dues, dues[-1] if len(dues) == MOST_DUES else until_ns)
