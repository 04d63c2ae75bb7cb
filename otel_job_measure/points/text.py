"""The nearest thing that InfluxDB can hold to any text.

A point is one physical line, a tag cannot end in a backslash, and text is UTF-8. Whatever does not fit is changed as
little as possible, in a way that can be seen, and the log says so once for each kind of change. What is clean already
is given back as it is.
"""

import logging
import re
from functools import partial
from typing import Final

MAX_BYTES: Final = 1024
"""Names and other strings are cut at 1 KiB of UTF-8."""

_logger = logging.getLogger(__name__)

# No character takes more than four bytes, so that a short text needs no look at its bytes.
_SURELY_SHORT = MAX_BYTES // 4
_SHOWN = 80  # characters in the log
_VISIBLE = {ord("\n"): r"\n", ord("\r"): r"\r", ord("\0"): r"\0"}
# Compiled when it is first needed: most processes never do, and `exec` stands before every line of a crontab.
_is_clean = partial(re.fullmatch, "[^\n\r\0\ud800-\udfff]*")
_has_invisible = partial(re.search, "[\n\r\0]")
_has_surrogate = partial(re.search, "[\ud800-\udfff]")

_INVISIBLE = r"a newline, CR or NUL is written as \n, \r or \0"
_INVALID = "what is no valid Unicode is written as U+FFFD"
_LONG = f"it is cut at {MAX_BYTES} bytes"
_BACKSLASH = "a backslash at the end is written as a slash"
_warned: set[str] = set()


def clean_field(text: str) -> str:
    """Gives the nearest text that a string field can hold on one line.

    Args:
        text: Any string.

    Returns:
        The same text, where it is clean; else without newlines, CR, NUL and surrogates, at most 1 KiB of UTF-8.
    """
    if len(text) <= _SURELY_SHORT and (text.isprintable() or _is_clean(text)):
        return text
    return _cleaned(text)


def clean_tag(text: str) -> str:
    """Gives the nearest text that a tag's value can hold.

    Args:
        text: Any string.

    Returns:
        As `clean_field`, and never with a backslash at the end. It is empty where `text` is: InfluxDB has no such
        tag, the caller leaves it out or has something better.
    """
    clean = clean_field(text)
    if clean.endswith("\\"):
        warn_once(_BACKSLASH, text)
        return clean[:-1] + "/"
    return clean


def valid(text: str) -> str:
    """Gives the nearest text that is UTF-8.

    Args:
        text: Any string.

    Returns:
        The same, with U+FFFD for what is no valid Unicode.
    """
    if text.isascii() or not _has_surrogate(text):
        return text
    # Two halves of one character find each other, a lone one is replaced.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def warn_once(change: str, text: str) -> None:
    """Logs that a text was changed, once for each kind of change in a process.

    Args:
        change: What was done, as half a sentence.
        text: The first text that it was done to.
    """
    if change not in _warned:
        _warned.add(change)
        _logger.warning("InfluxDB cannot hold %s: %s (this is said once)", _shown(text), change)


def _cleaned(text: str) -> str:
    clean = text[:MAX_BYTES]  # every character takes a byte at least
    if _has_surrogate(clean):
        warn_once(_INVALID, text)
        clean = valid(clean)
    if _has_invisible(clean):
        warn_once(_INVISIBLE, text)
        clean = clean.translate(_VISIBLE)
    data = clean.encode()
    if len(data) > MAX_BYTES or len(text) > MAX_BYTES:
        warn_once(_LONG, text)
        return data[:MAX_BYTES].decode(errors="ignore")
    return clean


def _shown(text: str) -> str:
    return ascii(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!a}… ({len(text)} characters)"
