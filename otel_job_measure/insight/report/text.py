"""A report as plain text, for terminals and as the text of a mail."""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from rich.cells import cell_len, set_cell_size

from otel_job_measure.insight.report import words
from otel_job_measure.insight.report.report import Report

_T = TypeVar("_T")
WIDTH: Final = 80
_GAP: Final = 2
_NUMBERS: Final = frozenset({"runs", "failed", "success", "p50", "p95"})
_LEAST_NAME: Final = 12


def text(report: Report, width: int = WIDTH) -> str:
    """Returns the report; names are cut to the width."""
    return "\n".join(_lines(report, width)) + "\n"


def _lines(report: Report, width: int) -> Iterator[str]:
    title = words.title(report)
    yield from (title, "=" * len(title), *_wrapped(words.subtitle(report), width), "")
    yield from _wrapped(f"{words.totals(report)} {words.states(report)}", width)
    yield from ("", "What changed", "------------")
    yield from _changes(report, width)
    bad = words.not_ok(report)
    if bad:
        yield from ("", "Not ok now", "----------")
        yield from _items(bad, lambda view: f"{words.name(view.job)}: {view.state}: {words.of_state(view)}", width)
    if report.failures:
        yield from ("", "Failures", "--------")
        yield from _items(report.failures, words.counted_failure, width)
    if report.overview.jobs:
        yield from ("", "All jobs", "--------")
        yield from table(words.COLUMNS, [words.row(view) for view in report.overview.jobs], width)


def _changes(report: Report, width: int) -> Iterator[str]:
    if not report.changes:
        yield from _wrapped(words.NOTHING_CHANGED, width)
    for heading, found in words.by_kind(report):
        yield f"{heading}:"
        yield from _items(found, lambda change: f"{words.name(change.job)}: {words.of_change(change)}", width)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yields the lines of a table; the second column is cut to what the others leave."""
    widths = [max(map(cell_len, column)) for column in zip(head, *rows, strict=True)]
    others = sum(widths) - widths[1] + _GAP * (len(head) - 1)
    widths[1] = min(widths[1], max(_LEAST_NAME, width - others))
    for each in (head, *rows):
        cells = (_cell(cell, size, name in _NUMBERS) for cell, size, name in zip(each, widths, head, strict=True))
        yield (" " * _GAP).join(cells).rstrip()


def _cell(content: str, size: int, is_number: bool) -> str:  # noqa: FBT001 - of a column
    if cell_len(content) > size:
        return f"{set_cell_size(content, size - 1)}…"
    room = " " * (size - cell_len(content))
    return room + content if is_number else content + room


def _wrapped(content: str, width: int) -> list[str]:
    return textwrap.wrap(content, width, break_on_hyphens=False)


def _items(found: Sequence[_T], say: Callable[[_T], str], width: int) -> Iterator[str]:
    """Yields the first of a list, and how many more there are."""
    for content in (*map(say, found[: words.MOST]), words.rest_of(found)):
        yield from textwrap.wrap(content, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
