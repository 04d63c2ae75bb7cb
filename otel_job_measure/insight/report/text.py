"""A report as plain text, for terminals and as the text of a mail."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from rich.cells import cell_len, chop_cells, set_cell_size

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.report import words
from otel_job_measure.insight.report.report import Report

_T = TypeVar("_T")
WIDTH: Final = 80
_GAP: Final = 2
_NUMBERS: Final = frozenset({"runs", "failed", "success", "p50", "p95"})
_LEAST_NAME: Final = 12
_GIVE_WAY: Final = ("p95", "p50", "last success", "runs")
"""The columns that a narrow text loses, in this order; the other forms have all."""


def text(report: Report, width: int = WIDTH) -> str:
    """Returns the report; names are cut to the width."""
    return "\n".join(_lines(report, width)) + "\n"


def _lines(report: Report, width: int) -> Iterator[str]:
    title = list(_wrapped(words.title(report), width))
    yield from (*title, "=" * max(map(cell_len, title)), *_wrapped(words.subtitle(report), width), "")
    yield from _wrapped(f"{words.totals(report)} {words.states(report)}", width)
    yield from ("", "What changed", "------------")
    yield from _changes(report, width)
    bad, hosts = words.not_ok(report), report.overview.hosts
    if bad or hosts:
        yield from ("", "Not ok now", "----------")
        yield from _items(hosts, words.of_host, width)
        yield from _items(bad, lambda view: f"{words.name(view.job)}: {view.state}: {words.of_state(view)}", width)
    if report.failures:
        yield from ("", "Failures", "--------")
        yield from _items(report.failures, words.counted_failure, width)
    if report.overview.jobs:
        yield from ("", "All jobs", "--------")
        yield from table(words.COLUMNS, [words.row(view) for view in report.overview.jobs], width, _short(report))


def _changes(report: Report, width: int) -> Iterator[str]:
    if nothing := words.no_change(report):
        yield from _wrapped(nothing, width)
    for heading, found in words.by_kind(report):
        yield f"{heading}:"
        yield from _items(found, lambda change: f"{words.name(change.job)}: {words.of_change(change)}", width)


def _short(report: Report) -> Sequence[str]:
    """Returns the jobs without project and stage, of those that have a name of their own."""
    jobs = [view.job for view in report.overview.jobs]
    counts = Counter(job.job for job in jobs)
    return [words.name(JobId(job.job)) if counts[job.job] == 1 else words.name(job) for job in jobs]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int, short: Sequence[str]) -> Iterator[str]:
    """Yields the lines of a table; what the other columns leave too little room for in the second one is `short`."""
    widths = [max(map(cell_len, column)) for column in zip(head, *rows, strict=True)]
    shown = _shown(head, [widths[0], min(max(map(cell_len, short)), width // 3), *widths[2:]], width)
    room = max(_LEAST_NAME, width - sum(widths[at] for at in shown if at != 1) - _GAP * (len(shown) - 1))
    names = [row[1] if cell_len(row[1]) <= room else name for row, name in zip(rows, short, strict=True)]
    widths[1] = min(room, max(map(cell_len, (head[1], *names))))
    for each in (head, *((row[0], name, *row[2:]) for row, name in zip(rows, names, strict=True))):
        yield (" " * _GAP).join(_cell(each[at], widths[at], head[at] in _NUMBERS) for at in shown).rstrip()


def _shown(head: Sequence[str], widths: Sequence[int], width: int) -> Sequence[int]:
    """Returns which columns are shown: some give way to the names, so that those can be read."""
    shown = list(range(len(head)))
    for name in _GIVE_WAY:
        if sum(widths[at] for at in shown) + _GAP * (len(shown) - 1) <= width:
            break
        shown.remove(head.index(name))
    return shown


def _cell(content: str, size: int, is_number: bool) -> str:  # noqa: FBT001 - of a column
    if cell_len(content) > size:  # a name: jobs that are alike often differ at the end
        head, tail = (size - 1) // 2, size - 1 - (size - 1) // 2
        return f"{set_cell_size(content, head)}…{set_cell_size(content[::-1], tail)[::-1]}"
    room = " " * (size - cell_len(content))
    return room + content if is_number else content + room


def _wrapped(content: str, width: int, first: str = "", after: str = "") -> Iterator[str]:
    """Yields the lines of a text, of at most so many columns of a terminal; `first` and `after` stand before them."""
    line, has_words = first, False
    for word in content.split():
        if has_words and cell_len(line) + 1 + cell_len(word) > width:
            yield line
            line, has_words = after, False
        *full, rest = chop_cells(word, width - len(after))
        for part in full:  # a word that is longer than a line
            yield line + part
            line = after
        line += f" {rest}" if has_words else rest
        has_words = True
    yield line


def _items(found: Sequence[_T], say: Callable[[_T], str], width: int) -> Iterator[str]:
    """Yields the first of a list, and how many more there are."""
    for content in (*map(say, found[: words.MOST]), *filter(None, (words.rest_of(found),))):
        yield from _wrapped(content, width, "  ", "    ")
