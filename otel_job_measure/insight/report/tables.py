"""A report as Markdown, as CSV and as an object of JSON."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from otel_job_measure.insight import encoding
from otel_job_measure.insight.report import words
from otel_job_measure.insight.report.changes import Change
from otel_job_measure.insight.report.report import Report, Totals
from otel_job_measure.insight.run_store import Summary
from otel_job_measure.printable import printable

_T = TypeVar("_T")
_CSV: Final = (
    *("job", "project", "stage", "state", "level", "last_success", "next_due"),
    *("runs", "ended", "failed", "running", "success", "p50_s", "p95_s", "longest_s"),
    *("runs_before", "failed_before", "success_before", "p50_s_before", "p95_s_before"),
)
_escaped = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])").sub
_FORMULA: Final = ("=", "+", "-", "@")


def markdown(report: Report) -> str:
    """Returns the report as Markdown."""
    return "\n".join(_markdown(report)) + "\n"


def table_csv(report: Report) -> str:
    """Returns a line for each job, with the numbers of both periods; a name never is a formula of a spreadsheet."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_CSV)
    before = {each.job: each for each in report.before}
    for view in report.overview.jobs:
        row = encoding.job_object(view)
        earlier = before.get(view.job)
        success = None if view.success is None else encoding.iso(view.success.ended_ns)
        row |= {"last_success": success, **_before(earlier)}
        writer.writerow([_cell(row[name]) for name in _CSV])
    return file.getvalue()


def report_object(report: Report) -> dict[str, Any]:
    """Returns the report as an object of JSON; docs/see.md describes it."""
    return {
        **encoding.overview_object(report.overview),
        **encoding.time_of("before", report.before_ns),
        **encoding.time_of("first", report.first_ns),
        **encoding.time_of("kept", report.kept_ns),
        "totals": _totals(report.totals),
        "totals_before": _totals(report.totals_before),
        "changes": [_change(each) for each in report.changes],
        "failures": [
            {
                **encoding.job_names(each.job),
                "reason": each.reason,
                "error_type": each.error_type,
                "count": each.count,
                **encoding.time_of("last", each.last_ns),
            }
            for each in report.failures
        ],
    }


def _markdown(report: Report) -> Iterator[str]:
    yield from (f"# {_safe(words.title(report))}", "", _safe(words.subtitle(report)), "")
    yield from (f"{words.totals(report)} {words.states(report)}", "", "## What changed", "")
    if nothing := words.no_change(report):
        yield from (nothing, "")
    for heading, found in words.by_kind(report):
        yield from (f"**{heading}**", "")
        yield from _items(found, lambda each: f"{words.name(each.job)}: {words.of_change(each)}")
        yield ""
    bad, hosts = words.not_ok(report), report.overview.hosts
    if bad or hosts:
        yield from ("", "## Not ok now", "")
        yield from _items(hosts, words.of_host)
        yield from _items(bad, lambda view: f"{words.name(view.job)}: {view.state}: {words.of_state(view)}")
    if report.failures:
        yield from ("", "## Failures", "")
        yield from _items(report.failures, words.counted_failure)
    if report.overview.jobs:
        jobs = [words.row(view) for view in report.overview.jobs]
        yield from ("", "## All jobs", "", *_table(words.COLUMNS, jobs))


def _items(found: Sequence[_T], say: Callable[[_T], str]) -> Iterator[str]:
    yield from (f"- {_safe(each)}" for each in (*map(say, found[: words.MOST]), words.rest_of(found)) if each)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_safe, row))} |"


def _safe(text: str) -> str:
    return _escaped(r"\\\1", text)


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _before(summary: Summary | None) -> dict[str, object]:
    names = ("runs", "failed", "success", "p50_s", "p95_s")
    return {
        f"{name}_before": 0 if summary is None and name in {"runs", "failed"} else getattr(summary, name, None)
        for name in names
    }


def _totals(totals: Totals) -> dict[str, int]:
    return {"jobs": totals.jobs, "runs": totals.runs, "failed": totals.failed, "running": totals.running}


def _change(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        **encoding.job_names(change.job),
        "words": words.of_change(change),
        "before": encoding.summary_object(change.before),
        "now": encoding.summary_object(change.now),
    }
