"""Durations and times in words, as the terminal, the page and the report show them."""

import unicodedata
from datetime import UTC, datetime
from typing import Final

from otel_job_measure.printable import printable
from otel_job_measure.timestamps import local

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_UNITS: Final = ((0.0009995, 1e6, 0, "µs"), (0.00995, 1e3, 1, "ms"), (0.9995, 1e3, 0, "ms"), (_MINUTE_S, 1, 2, "s"))
"""Upper bound in seconds, units in a second, digits behind the point, name. Rounding at a bound gives the next unit."""
_SPANS: Final = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 0, ""))
_FEW: Final = 10
_NS: Final = 10**9
_RIGHT_TO_LEFT: Final = {"R", "AL", "AN"}
_LEFT_TO_RIGHT_MARK: Final = "\u200e"


def closed(text: str) -> str:
    """Returns a text whose direction nothing carries on: what follows a Hebrew name stays in its place."""
    if text.isascii() or _RIGHT_TO_LEFT.isdisjoint(map(unicodedata.bidirectional, text)):
        return text
    return f"{text}{_LEFT_TO_RIGHT_MARK}"


def ends(text: str, most: int) -> str:
    """Returns a text, printable; a long one loses its middle, because names often differ at their end.

    It is cut when it is printable: an escape is several times as long as its character.
    """
    shown, half = printable(text), most // 2
    return shown if len(shown) <= most else f"{shown[:half]}…{shown[-half:]}"


def took(duration_s: float | None) -> str:
    """Returns a duration in a unit that fits it, in at most seven columns; an unknown one is empty."""
    if duration_s is None:
        return ""
    if duration_s < 0:  # another writer's, whose clock was set back
        return f"-{took(-duration_s)}"
    if duration_s < _MINUTE_S - 0.005:
        return next(
            f"{duration_s * per_s:.{digits}f} {unit}" for bound, per_s, digits, unit in _UNITS if duration_s < bound
        )
    seconds = round(duration_s)
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S}m {seconds % _MINUTE_S:02}s"
    if seconds < _DAY_S:
        return f"{seconds // _HOUR_S}h {seconds % _HOUR_S // _MINUTE_S:02}m"
    return f"{seconds // _DAY_S}d {seconds % _DAY_S // _HOUR_S:02}h"


def cause(reason: str | None, error_type: str | None) -> list[str]:
    """Returns what a run failed of in words, of which there may be none; `exit 3` says already that it was an exit."""
    if reason and error_type and error_type.startswith(f"{reason} "):
        return [error_type]
    return [word for word in (reason, error_type) if word]


def zone(*at_ns: int) -> str:
    """Returns the name of that zone at some times, or now, as a reader knows it; around a change of clocks both."""
    times = [local(each) for each in at_ns] or [datetime.now(UTC).astimezone()]
    return f"in {' and '.join(dict.fromkeys(f'{each.tzname()} (UTC{each:%z})' for each in times))}"


def exactly(at_ns: int) -> str:
    """Returns a time to the second."""
    return f"{local(at_ns):%Y-%m-%d %H:%M:%S}"


def to_the_minute(at_ns: int) -> str:
    """Returns a time to the minute."""
    return f"{local(at_ns):%Y-%m-%d %H:%M}"


def day(at_ns: int) -> str:
    """Returns the day of a time."""
    return f"{local(at_ns):%Y-%m-%d}"


def span(seconds: float) -> str:
    """Returns a length of time in one or two units."""
    whole = round(seconds)
    for size, unit, smaller, small_unit in _SPANS:
        if whole >= size:
            rest = whole % size // smaller if smaller else 0
            if whole // size >= _FEW or not rest:
                return f"{whole // size:,} {unit}"
            return f"{whole // size} {unit} {rest} {small_unit}"
    return f"{whole} s"


def number(count: int) -> str:
    """Returns a count with its digits in threes."""
    return f"{count:,}"


def percent(part: float | None) -> str:
    """Returns a part of one; only all is 100 %, and what is unknown is empty."""
    if part is None:
        return ""
    return "100 %" if part >= 1 else f"{min(99.9, 100 * part):.1f} %"
