"""Jobs for people: a line a job, then in words what is wrong, then the whole in one line."""

from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Console, Group
from rich.text import Text

from otel_job_measure.cli import pictures
from otel_job_measure.cli.columns import Column, Names, table
from otel_job_measure.cli.terminal import apart, has_unicode, shortened
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.insight.finding_words import words_of
from otel_job_measure.insight.hosts import About
from otel_job_measure.insight.overview import JobView, Overview
from otel_job_measure.insight.words import closed, took
from otel_job_measure.printable import brief
from otel_job_measure.timestamps import local

LEVELS: Final = ("ok", "warning", "critical", "unknown")
_STYLES: Final = ("green", "yellow", "bold red", "magenta")
_DOTS: Final = ("●", "▲", "✗", "?")
_PLAIN_DOTS: Final = (" ", "!", "x", "?")
_STRIP: Final = 20
_SHORT_STRIP: Final = 10
_WIDE: Final = 100
"""A terminal that is narrower has the short strip, which leaves room for numbers."""
_BARS: Final = 12
_MOST_TOLD: Final = 10
_MOST_NAME: Final = 80
_MOST_PLACE: Final = 40
_MOST_WORDS: Final = 300
_ORDER: Final = (2, 3, 1, 0)


def jobs_table(console: Console, found: Overview, shown: Sequence[JobView]) -> Group:
    """Returns a line for each job; a terminal loses the columns with the greatest numbers first."""
    unicode, now_ns = has_unicode(console), found.at_ns
    marks = _SHORT_STRIP if console.is_terminal and console.width < _WIDE else _STRIP
    tells = _projects_differ(shown) or not console.is_terminal
    # Two jobs of one name are told apart by nothing else.
    order = 9 if len({view.job.job for view in shown}) == len(shown) else 0

    def column(heading: str, cell: Callable[[JobView], Text | str], order: int, **more: bool) -> Column:
        cells = [text if isinstance(text := cell(view), Text) else Text(text) for view in shown]
        return Column(heading=heading, cells=cells, order=order, **{"right": True, **more})

    return table(
        console,
        [
            column("state", lambda view: _state(view, unicode=unicode), 0, right=False),
            Names(heading="job", texts=[view.job.job for view in shown], least=12),
            column("project", lambda view: _project(view) if tells else "", order, right=False, optional=True),
            column("last", lambda view: _ago(_last_ns(view), now_ns), 1),
            column("last ok", lambda view: _last_ok(view, now_ns), 4),
            column("due in", lambda view: apart(view.next_due_ns, now_ns), 5, optional=True),
            column("runs", lambda view: str(view.summary.runs), 6),
            column("ok %", _share, 3),
            column("p50", lambda view: took(view.summary.p50_s), 7),
            column("p95", lambda view: took(view.summary.p95_s), 8),
            column("last runs", lambda view: pictures.strip(view.strip, marks, unicode=unicode), 2),
            column("durations", lambda view: pictures.bars(view.strip, _BARS, unicode=unicode), 10),
        ],
    )


def told(found: Overview, shown: Sequence[JobView], *, unicode: bool) -> list[Text]:
    """Returns in words what is wrong, the worst first, and at last how many more there are."""
    wrong, tells = [view for view in shown if view.level], _projects_differ(shown)
    lines = [_of_host(about, unicode=unicode) for about in found.hosts]
    lines += [_of_job(view, found.at_ns, tells=tells, unicode=unicode) for view in wrong[:_MOST_TOLD]]
    rest = len(found.hosts) + len(wrong) - _MOST_TOLD
    if rest > 0:
        lines[_MOST_TOLD:] = [Text(f"  and {rest} more", style="dim")]
    return lines


def summed(found: Overview, shown: Sequence[JobView], count: int) -> Text:
    """Returns the whole in one line: how many jobs there are of each level, of which time, and from where."""
    parts = [
        Text(f"{number} {LEVELS[level]}", style=_STYLES[level])
        for level in _ORDER
        if (number := sum(view.level == level for view in shown))
    ]
    period = _span(found.at_ns - found.since_ns)
    if found.kept_ns > found.since_ns:
        period += f", as far as they are kept: {_span(found.at_ns - found.kept_ns)}"
    jobs = f"{count} job{'' if count == 1 else 's'}"
    head = jobs if len(shown) == count else f"{len(shown)} of {jobs}"
    tail = f"; runs of the last {period}, from {brief(found.source)}"
    return Text.assemble(f"{head}: " if parts else head, Text(", ").join(parts), (tail, "dim"))


def rendered(console: Console, found: Overview, shown: Sequence[JobView], count: int) -> tuple[Group, Group, Group]:
    """Returns the table, in words what is wrong, and the whole in one line."""
    lines, whole = told(found, shown, unicode=has_unicode(console)), summed(found, shown, count)
    for text in (*lines, whole):
        text.no_wrap = not console.is_terminal
        text.overflow = "ignore" if text.no_wrap else "fold"
    head = Group(*(jobs_table(console, found, shown), Text()) if shown else ())
    return head, Group(*lines, *([Text()] if lines else [])), Group(whole)  # a bare text would be wrapped


def _state(view: JobView, *, unicode: bool) -> Text:
    dot = (_DOTS if unicode else _PLAIN_DOTS)[view.level]
    return Text(f"{dot} {view.state}", style=_STYLES[view.level] if view.findings else "dim")


def _last_ns(view: JobView) -> int | None:
    return None if view.last is None else started_ns(view.last)


def _last_ok(view: JobView, now_ns: int) -> Text:
    if view.success is None:
        return Text("never" if view.last is not None else "", style=_loud(view))
    return Text(_ago(view.success.ended_ns, now_ns))


def _ago(time_ns: int | None, now_ns: int) -> str:
    """Returns how long ago something was; what a wrong clock has put into the future says so."""
    far = apart(time_ns, now_ns)
    return f"in {far}" if time_ns is not None and time_ns > now_ns and far != "now" else far


def _share(view: JobView) -> Text:
    share = view.summary.success
    if share is None:
        return Text()
    # Rounded down: only a job that never failed is at 100.
    return Text(f"{int(share * 100)}", style="" if share == 1 else _loud(view))


def _loud(view: JobView) -> str:
    """Returns the style of what is wrong: it stands out only if the job is not ok."""
    return _STYLES[view.level] if view.level else ""


def _projects_differ(shown: Sequence[JobView]) -> bool:
    return len({(view.job.project, view.job.stage) for view in shown}) > 1


def _project(view: JobView) -> str:
    """Returns the project and stage of a job."""
    return closed(shortened("/".join(part for part in (view.job.project, view.job.stage) if part), _MOST_PLACE))


def _of_job(view: JobView, now_ns: int, *, tells: bool, unicode: bool) -> Text:
    worst = view.findings[0]
    where = f" on {shortened(worst.host, _MOST_PLACE)}" if worst.host else ""
    project = _project(view) if tells else ""
    name = closed(shortened(view.job.job, _MOST_NAME)) + (f" ({project})" if project else "")
    says = brief(words_of(worst.finding, _minute), _MOST_WORDS)
    since = _minute(worst.finding.since_ns)
    if worst.finding.since_ns <= now_ns:  # the clock may have been set back
        since += f", {apart(worst.finding.since_ns, now_ns)} ago"
    return _line(view.level, f"{name}{where}", f"{view.state} since {since}: {says}", unicode=unicode)


def _of_host(about: About, *, unicode: bool) -> Text:
    name = closed(shortened(about.host or "the store", _MOST_PLACE))
    return _line(about.finding.level, name, brief(words_of(about.finding, _minute), _MOST_WORDS), unicode=unicode)


def _line(level: int, name: str, says: str, *, unicode: bool) -> Text:
    dot = (_DOTS if unicode else _PLAIN_DOTS)[level]
    return Text.assemble((f"{dot} ", _STYLES[level]), (name, "bold"), f"  {says}")


def _minute(time_ns: int) -> str:
    return f"{local(time_ns):%Y-%m-%d %H:%M}"


def _span(time_ns: int) -> str:
    hours = round(time_ns / 3.6e12)
    if hours >= 48:  # noqa: PLR2004 - a day is better told in hours
        return f"{round(hours / 24)} days"
    return f"{hours} h" if hours else f"{round(time_ns / 6e10)} min"
