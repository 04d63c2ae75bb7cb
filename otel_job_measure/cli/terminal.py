"""What the commands write for people: a console, durations and times as people read them, and texts that fit."""

import io
import sys
import unicodedata
from typing import Final, TextIO, cast

from rich.cells import cell_len, set_cell_size
from rich.console import Console

from otel_job_measure.printable import printable

WIDTH: Final = 80
"""The width if stdout is no terminal, for text that is wrapped."""
_MINUTE_S, _HOUR_S, _DAY_S, _YEAR_S = 60, 3600, 86_400, 31_557_600
_AGES = ((_MINUTE_S, 1, "s"), (_HOUR_S, _MINUTE_S, "m"), (2 * _DAY_S, _HOUR_S, "h"), (_YEAR_S, _DAY_S, "d"))


class _Console(Console):
    """A console whose reader may have seen enough, as in `| head`; rich would end with exit code 1."""

    def on_broken_pipe(self) -> None:
        """Says so as any other output does."""
        raise BrokenPipeError


def console() -> Console:
    """Returns the console of stdout; one that is no terminal gets neither colours nor a width."""
    stdout = cast("TextIO", sys.stdout)
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="replace")  # a terminal without Unicode shows question marks
    found = _Console(highlight=False, emoji=False, markup=False)
    if not found.is_terminal:
        found.width = WIDTH  # that of a terminal is asked anew each time, because it changes
    return found


def has_unicode(found: Console) -> bool:
    """Returns whether a console shows more than ASCII."""
    return found.encoding.startswith("utf")


def shortened(text: str, width: int) -> str:
    """Returns a text of at most so many terminal columns; a long one loses its middle."""
    shown = printable(text)
    if cell_len(shown) <= width:
        return shown
    head = set_cell_size(shown, width // 2)
    tail = set_cell_size(shown[::-1], width - 1 - width // 2)[::-1]
    while tail and unicodedata.combining(tail[0]):  # an accent without its letter would land on the ellipsis
        tail = tail[1:]
    return f"{head}…{tail}"


def apart(time_ns: int | None, now_ns: int) -> str:
    """Returns how far a time is from now, in at most four columns, such as `12m`; an unknown one is empty."""
    if time_ns is None:
        return ""
    seconds = abs(now_ns - time_ns) // 10**9
    if seconds < 1:
        return "now"
    for bound, unit_s, name in _AGES:
        if seconds < bound:
            return f"{seconds // unit_s}{name}"
    return f"{seconds // _YEAR_S}y"
