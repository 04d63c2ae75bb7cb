"""Durations and times in words, as the terminal, the page and the report show them."""

from typing import Final

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_UNITS: Final = ((0.0009995, 1e6, 0, "µs"), (0.00995, 1e3, 1, "ms"), (0.9995, 1e3, 0, "ms"), (_MINUTE_S, 1, 2, "s"))
"""Upper bound in seconds, units in a second, digits behind the point, name. Rounding at a bound gives the next unit."""


def took(duration_s: float | None) -> str:
    """Returns a duration in a unit that fits it, in at most seven columns; an unknown one is empty."""
    if duration_s is None:
        return ""
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
