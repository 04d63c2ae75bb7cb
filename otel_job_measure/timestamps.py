"""Times as people and libraries have them, and as the package counts them: in nanoseconds since 1970."""

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def utc(time_ns: int) -> datetime:
    """Returns a time in UTC, rounded down to microseconds."""
    return EPOCH + timedelta(microseconds=time_ns // 1000)


def local(time_ns: int) -> datetime:
    """Returns a time in the zone of this machine, rounded down to microseconds."""
    return utc(time_ns).astimezone()


def nanoseconds(at: datetime) -> int:
    """Returns a time that has a zone in ns since 1970."""
    return (at - EPOCH) // timedelta(microseconds=1) * 1000
