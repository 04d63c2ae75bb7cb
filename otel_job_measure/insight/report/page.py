"""A report as one file of HTML: no script, no request, and a table behind each picture."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Final

from otel_job_measure.insight.overview import JobView
from otel_job_measure.insight.pictures.bars import Bar, bars
from otel_job_measure.insight.pictures.kinds import kind_of
from otel_job_measure.insight.pictures.sparkline import sparkline
from otel_job_measure.insight.pictures.strip import strip
from otel_job_measure.insight.pictures.style import style_of_pictures
from otel_job_measure.insight.pictures.svg import safe
from otel_job_measure.insight.report import words
from otel_job_measure.insight.report.changes import GONE, SLOWER, Change
from otel_job_measure.insight.report.report import STRIP, Report
from otel_job_measure.insight.words import exactly

_SIGNS: Final = ("✓", "▲", "✕", "?")
_FEW_JOBS: Final = 100
"""So many jobs have a line of their durations each; of more, only those that changed, so that the file stays small."""
_NUMBERS: Final = frozenset({"runs", "failed", "success", "p50", "p95"})
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def html(report: Report) -> str:
    """Returns the report."""
    return "".join(_page(report))


def _page(report: Report) -> Iterator[str]:
    title = escape(words.title(report))
    style = style_of_pictures() + files("otel_job_measure.insight.report").joinpath("report.css").read_text(
        encoding="utf-8"
    )
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="color-scheme" content="light dark">'
    yield f"<title>{title}</title><style>{style}</style></head><body><main>"
    yield f'<h1>{title}</h1><p class="quiet">{safe(words.subtitle(report))}</p>'
    yield f'<p class="lead">{safe(words.totals(report))} {safe(words.states(report))}</p>'
    yield from _changes(report)
    yield from _not_ok(report)
    yield from _failures(report)
    yield from _jobs(report)
    yield "</main></body></html>\n"


def _changes(report: Report) -> Iterator[str]:
    yield "<section><h2>What changed</h2>"
    if nothing := words.no_change(report):
        yield f"<p>{nothing}</p>"
    views = {view.job: view for view in report.overview.jobs}
    for heading, found in words.by_kind(report):
        yield f"<h3>{heading}</h3><ul>"
        for change in found[: words.MOST]:
            picture = "" if change.kind == GONE else _picture(views[change.job], change)
            yield f"<li><b>{escape(words.name(change.job))}</b> {safe(words.of_change(change))}{picture}</li>"
        yield _rest(found)
        yield "</ul>"
    yield "</section>"


def _not_ok(report: Report) -> Iterator[str]:
    bad, hosts = words.not_ok(report), report.overview.hosts
    if bad or hosts:
        yield "<section><h2>Not ok now</h2><ul>"
        for about in hosts[: words.MOST]:
            yield f"<li>{_signed(about.finding.level, about.finding.name)} {escape(words.of_host(about))}</li>"
        yield _rest(hosts)
        for view in bad[: words.MOST]:
            state = _signed(view.level, view.state)
            yield f"<li>{state} <b>{escape(words.name(view.job))}</b> {safe(words.of_state(view))}</li>"
        yield f"{_rest(bad)}</ul></section>"


def _rest(found: Sequence[object]) -> str:
    rest = words.rest_of(found)
    return f"<li>{rest}</li>" if rest else ""


def _failures(report: Report) -> Iterator[str]:
    if report.failures:
        alike = Counter(view.job.job for view in report.overview.jobs)
        counts = [
            # Two jobs of one name are told apart by nothing but their projects.
            Bar(
                words.of_failure(each),
                each.count,
                exactly(each.last_ns),
                of=" · ".join(filter(None, each.job[: 3 if alike[each.job.job] > 1 else 1])),
            )
            for each in report.failures[:_FEW_JOBS]
        ]
        yield f"<section><h2>Failures</h2>{bars(counts, 'Failed runs by job and error').html()}</section>"


def _jobs(report: Report) -> Iterator[str]:
    jobs = report.overview.jobs
    if not jobs:
        return
    has_durations = len(jobs) <= _FEW_JOBS
    columns = [*words.COLUMNS, "last runs", *(["durations"] if has_durations else [])]
    yield '<section><h2>All jobs</h2><div class="wide" tabindex="0" role="region" aria-label="All jobs">'
    yield f"<table><thead><tr>{_heads(columns)}</tr></thead><tbody>"
    for view in jobs:
        yield "".join(_row(view, has_durations=has_durations))
    yield "</tbody></table></div></section>"


def _heads(columns: Sequence[str]) -> str:
    return "".join(f'<th scope="col"{_class(column)}>{column}</th>' for column in columns)


def _row(view: JobView, *, has_durations: bool) -> Iterable[str]:
    _, name, *cells = words.row(view)
    yield f"<tr><td>{_signed(view.level, view.state)}</td><th scope=row>{escape(name)}</th>"
    for column, cell in zip(words.COLUMNS[2:], cells, strict=True):
        yield f"<td{_class(column)}>{safe(cell)}</td>"
    yield f"<td>{_strip(view)}</td>"
    if has_durations:
        yield f"<td>{_durations(view)}</td>"
    yield "</tr>"


def _signed(level: int, state: str) -> str:
    return f'<span class="l{level}">{_SIGNS[level]} {safe(state)}</span>'


def _picture(view: JobView, change: Change) -> str:
    return _durations(view) if change.kind == SLOWER else _strip(view)


def _strip(view: JobView) -> str:
    return strip([kind_of(run) for run in view.strip], view.job.job, STRIP)


def _durations(view: JobView) -> str:
    return sparkline([run.duration_s for run in view.strip if run.duration_s is not None], view.job.job)


def _class(column: str) -> str:
    return " class=n" if column in _NUMBERS else ""
