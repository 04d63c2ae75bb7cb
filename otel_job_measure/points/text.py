"""The nearest text that every generation of InfluxDB can hold, and how a line writes it.

A point is one physical line, and text is UTF-8. In a tag, InfluxDB 3 refuses a tab and a backslash before a separator,
and reads two backslashes as one; 2 looks for the line's end in a wrong place after some of these. So such a backslash
becomes a slash. A text that needs no change is returned as it is; each kind of change is logged once.
"""

import re
from typing import Final

from otel_job_measure.printable import printable as printable  # noqa: PLC0414 - rows and terminals need it
from otel_job_measure.rate_limited_log import once

MAX_BYTES: Final = 1024
"""Names and other strings are cut at 1 KiB of UTF-8."""

_once = once(__name__)

_MOST_CHARS = 64 * 1024
_SURELY_SHORT = MAX_BYTES // 4  # no character takes more than four bytes
_SHOWN = 80  # characters in the log
_VISIBLE = {ord("\n"): r"\n", ord("\r"): r"\r", ord("\0"): r"\0"}
_SEPARATORS = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})
# Compiled here, because `re` cannot compile a pattern while the interpreter shuts down, and runs end there too.
_slashed = re.compile(r"\\(?=[\\ ,=]|\Z)").sub

_INVISIBLE = r"a newline, CR or NUL is written as \n, \r or \0"
_INVALID = "invalid Unicode is written as U+FFFD"
_LONG = f"it is cut at {MAX_BYTES} bytes"
_TAB = r"a tab in a tag is written as \t"
_BACKSLASH = "in a tag, a backslash before a backslash, space, comma, equals sign or the end is written as a slash"


def clean_field(text: str) -> str:
    """Returns the nearest text for a string field: one line, valid Unicode, at most 1 KiB of UTF-8."""
    if len(text) <= _SURELY_SHORT and text.isprintable():
        return text
    return _cleaned(text)


def clean_tag(text: str) -> str:
    """Returns the nearest text for a tag; empty if `text` is, and no InfluxDB has an empty tag."""
    clean = clean_field(text)
    if "\t" in clean:
        _warn_once(_TAB, text)
        clean = clean_field(clean.replace("\t", r"\t"))
    if "\\" in clean and (slashed := _slashed("/", clean)) != clean:
        _warn_once(_BACKSLASH, text)
        return slashed
    return clean


def valid(text: str) -> str:
    """Returns the nearest text that is UTF-8, with U+FFFD in place of invalid Unicode, cut at 64 Ki characters."""
    text = text[:_MOST_CHARS]  # cut first: a replacement takes 0.3 µs, and a job's name may have millions
    if text.isascii() or not _has_surrogate(text):
        return text
    # Two halves of one character become that character, a lone one is replaced.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def escape_tag(text: str) -> str:
    """Escapes the separators in the key or value of a tag, or the key of a field; a backslash stays as it is."""
    return text.translate(_SEPARATORS)


def quote(text: str) -> str:
    """Returns the value of a string field, with its quotes."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _cleaned(text: str) -> str:
    clean = text[:MAX_BYTES]  # every character takes a byte at least
    if _has_surrogate(clean):
        _warn_once(_INVALID, text)
        clean = valid(clean)
    if "\n" in clean or "\r" in clean or "\0" in clean:
        _warn_once(_INVISIBLE, text)
        clean = clean.translate(_VISIBLE)
    data = clean.encode()
    if len(data) > MAX_BYTES or len(text) > MAX_BYTES:
        _warn_once(_LONG, text)
        return data[:MAX_BYTES].decode(errors="ignore")
    return clean


def _warn_once(change: str, text: str) -> None:
    shown = ascii(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!a}… ({len(text)} characters)"
    _once.warning(change, "InfluxDB cannot hold %s: %s (logged once)", shown, change)
