"""Times as InfluxDB writes and reads them, exact to the nanosecond."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_HOUR: Final = len("2026-11-29T09")
_WHOLE: Final = len("2026-11-29T09:11:42")


def ns_of(text: str) -> int:
    """Returns a time like `2026-11-29T09:11:42.168291407Z`, in UTC with or without the Z, in ns since 1970."""
    seconds = _hour_s(text[:_HOUR]) + 60 * int(text[14:16]) + int(text[17:_WHOLE])
    return seconds * 10**9 + int(text[_WHOLE + 1 :].rstrip("Z").ljust(9, "0"))


def text_of(time_ns: int) -> str:
    """Returns a time in ns since 1970 as such a text."""
    whole, rest = divmod(time_ns, 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


@lru_cache(maxsize=4096)
def _hour_s(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}:00:00+00:00").timestamp())
