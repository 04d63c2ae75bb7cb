"""Patterns of names as parts of regular expressions, which every generation of InfluxDB reads alike."""

from typing import Final

_META: Final = frozenset(".+*?()|[]{}^$/")
"""What has to be escaped; some readers refuse an escape before any other character."""
_WILD: Final = {"*": ".*", "?": "."}


def regex(pattern: str) -> str:
    """Returns a pattern with `*` and `?` as a part of a regular expression."""
    return "".join(_WILD.get(char) or regex_of(char) for char in pattern)


def regex_of(text: str) -> str:
    """Returns a text as a part of a regular expression; a character that is hard to write stands for any."""
    return "".join(_literal(char) for char in text)


def _literal(char: str) -> str:
    if not char.isprintable():
        return "."
    if char == "\\":  # InfluxQL reads one at the end as an escape of the slash that ends the expression
        return r"[\\]"
    return f"\\{char}" if char in _META else char
