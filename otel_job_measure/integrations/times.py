"""Times as adapters say them: in nanoseconds, and which of the next due times the monitor gets."""

from datetime import UTC, datetime, timedelta
from typing import Final

AHEAD: Final = timedelta(days=8)
"""Up to when due times are said."""
MOST_DUES: Final = 500
"""How many of one job are said at most."""
AGAIN_S: Final = 3600.0
"""After how long they are said again, if nothing has changed."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(at: datetime) -> int:
    """Returns a time, in UTC if it has no zone, in ns since 1970."""
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1000
