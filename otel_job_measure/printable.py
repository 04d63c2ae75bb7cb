"""Text from outside, as terminals and logs may have it."""

from typing import Final

_UNSEEN: Final = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
"""Characters without a picture that `str.isprintable` takes for letters; so are variation selectors."""


def printable(text: str) -> str:
    """Returns a text with an escape in place of each character that a terminal or a log would act on or not show."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_seen(char) else char.encode("unicode_escape").decode() for char in text)


def brief(text: str, most: int = 1000) -> str:
    """Returns the beginning of a text, printable; one that is longer than `most` characters ends with its length."""
    if len(text) <= most:
        return printable(text)
    return f"{printable(text[:most])}... ({len(text)} characters)"


def in_lines(text: str) -> str:
    """Returns the lines of a text, each printable."""
    return "\n".join(map(printable, text.split("\n")))


def _is_seen(char: str) -> bool:
    return char.isprintable() and char not in _UNSEEN and not "\ufe00" <= char <= "\ufe0f" and char < "\U000e0000"
