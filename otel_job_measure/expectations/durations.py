"""Durations as people write them, and how a message writes them back."""

import re
from datetime import timedelta
from functools import partial
from typing import Final

_UNITS_S: Final = {
    **dict.fromkeys(("ms",), 0.001),
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604_800.0),
}
_SHOWN: Final = (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60))
_MOST_TEXT: Final = 40
_MOST_DIGITS: Final = 15
_MOST_UNITS: Final = 2
_pieces = partial(re.findall, r"([0-9]+(?:\.[0-9]+)?) *([a-z]*)")


def seconds_of(value: object) -> float | None:
    """Returns the seconds of `"30m"`, `"1h 30m"`, `90`, `"90"` or a timedelta; None if it is no duration."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        return _of_text(value.strip().lower())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None


def in_words(seconds: float) -> str:
    """Returns a duration as a person writes it, such as `1h 30m`."""
    if seconds != int(seconds) or seconds < 1:
        return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"
    left, parts = int(seconds), list[str]()
    for unit, size in _SHOWN:
        if left >= size and not (unit == "w" and left % size):
            parts.append(f"{left // size}{unit}")
            left %= size
    if left:
        parts.append(f"{left}s")
    return " ".join(parts[:_MOST_UNITS]) if not any(parts[_MOST_UNITS:]) else " ".join(parts)


def _of_text(text: str) -> float | None:
    """Returns the sum of a text's parts; each part has a smaller unit than the one before, as in `1d 12h`."""
    if not text.isascii() or len(text) > _MOST_TEXT:
        return None
    found: list[tuple[str, str]] = _pieces(text)
    if not found or "".join(f"{number}{unit}" for number, unit in found) != text.replace(" ", ""):
        return None
    if any(unit not in _UNITS_S or len(number) > _MOST_DIGITS for number, unit in found):
        return None
    sizes = [_UNITS_S[unit] for _, unit in found]
    if len(found) > 1 and ("" in {unit for _, unit in found} or sizes != sorted(set(sizes), reverse=True)):
        return None
    return sum(float(number) * size for (number, _), size in zip(found, sizes, strict=True))
