"""A table whose columns give way one by one if the terminal is narrow, and all stay if the output is no terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console, Group
from rich.text import Text

from otel_job_measure.cli.terminal import shortened
from otel_job_measure.insight.words import closed

_GAP: Final = 2
_NOTHING: Final = "-"
_MOST_PIPED: Final = 100
"""The most columns of a name if the output is no terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Args:
        heading: Its heading.
        cells: One for each row; printable.
        order: Columns with a greater number give way first; 0 never does.
        right: Whether it holds numbers.
        optional: Whether it is left out on a terminal if it has no value.
    """

    heading: str
    cells: Sequence[Text]
    order: int = 0
    right: bool = False
    optional: bool = False

    @property
    def width(self) -> int:
        """How many terminal columns it takes."""
        return max(map(cell_len, (self.heading, *(cell.plain for cell in self.cells))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The column of the names, which are cut to what the others leave.

    Args:
        heading: Its heading.
        texts: One for each row, as they are.
        least: It gets so much at least.
        style: The style of its cells.
    """

    heading: str
    texts: Sequence[str]
    least: int = 8
    style: str = ""

    def width(self) -> int:
        """Returns how many terminal columns the longest name takes, beyond the bound for piped output the bound."""
        return max(cell_len(shortened(text, _MOST_PIPED)) for text in (self.heading, *self.texts))


def table(console: Console, columns: Sequence[Column | Names]) -> Group:
    """Returns the lines of the table as the console has room for it; what tells rows apart is never cut."""
    names = next(column for column in columns if isinstance(column, Names))
    shown = _shown(console, columns, names)
    others = sum(_GAP + column.width for column in shown if isinstance(column, Column))
    room = min(names.width(), max(names.least, console.width - others)) if console.is_terminal else names.width()
    widths = [room if isinstance(column, Names) else column.width for column in shown]
    heads = [Text(column.heading, style="dim") for column in shown]
    rows = (
        [_cell(each, row, room, is_piped=not console.is_terminal) for each in shown] for row in range(len(names.texts))
    )
    return Group(*(_line(cells, shown, widths) for cells in (heads, *rows)))


def _line(cells: Sequence[Text], columns: Sequence[Column | Names], widths: Sequence[int]) -> Text:
    """Returns a row as one text: a table of rich takes a hundred times as long for ten thousand of them."""
    line = Text(no_wrap=True, overflow="ignore")
    for number, (cell, column, width) in enumerate(zip(cells, columns, widths, strict=True)):
        space, is_right = " " * (width - cell_len(cell.plain)), isinstance(column, Column) and column.right
        line.append(" " * _GAP * bool(number) + space * is_right)
        line.append_text(cell)
        line.append(space * (not is_right))
    return line


def _shown(console: Console, columns: Sequence[Column | Names], names: Names) -> list[Column | Names]:
    """Returns the columns that fit; if the output is no terminal, all of them, so that they never move."""
    if not console.is_terminal:
        return list(columns)
    shown = [each for each in columns if isinstance(each, Names) or not each.optional or any(map(len, each.cells))]
    least = min(names.width(), max(names.least, console.width // 4))
    while True:
        others = [each for each in shown if isinstance(each, Column)]
        most = max((each.order for each in others), default=0)
        if most == 0 or least + sum(_GAP + each.width for each in others) <= console.width:
            return shown
        shown = [each for each in shown if isinstance(each, Names) or each.order != most]


def _cell(column: Column | Names, row: int, room: int, *, is_piped: bool) -> Text:
    if isinstance(column, Names):
        text = shortened(column.texts[row], room)
        return Text(text if is_piped else closed(text), style=column.style)
    cell = column.cells[row]
    return Text(_NOTHING) if is_piped and not cell.plain else cell
