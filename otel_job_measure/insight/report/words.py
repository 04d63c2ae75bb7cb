"""What a report says in words, whatever it is shown in."""

from collections.abc import Sequence
from typing import Final

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.finding_words import words_of
from otel_job_measure.insight.hosts import About
from otel_job_measure.insight.overview import JobView
from otel_job_measure.insight.report.changes import FAILING_MORE, GONE, KINDS, NEW, SLOWER, Change, counted
from otel_job_measure.insight.report.report import Report
from otel_job_measure.insight.run_store import ALL, FailureCount, Summary
from otel_job_measure.insight.words import cause, closed, day, ends, number, percent, span, to_the_minute, took, zone
from otel_job_measure.printable import printable

HEADINGS: Final = {FAILING_MORE: "Failing more", SLOWER: "Slower", NEW: "New", GONE: "Gone"}
_NOTHING_CHANGED: Final = "Nothing: no job fails more or is slower than before, and none is new or gone."
_NOTHING_BUT: Final = "Nothing: no job fails more or is slower than before, and none is gone."
MOST: Final = 20
"""So many of a list are shown; JSON and CSV have all."""
_MOST_NAME: Final = 100
_MOST_PART: Final = 40
"""So much is shown of a project or a stage, of which there are few."""
_CHOSEN: Final = {"job": "named", "project": "of project", "stage": "of stage", "host": "on host"}
COLUMNS: Final = ("state", "job", "runs", "failed", "success", "p50", "p95", "last success")


def title(report: Report) -> str:
    """Returns the title: which jobs, and which days."""
    days = f"from {day(report.overview.since_ns)} to {day(report.overview.at_ns)}"
    chosen = ((kind, getattr(report.wanted, kind)) for kind in _CHOSEN)
    which = [_which(kind, value) for kind, value in chosen if value is not None]
    return f"Jobs {', '.join(which)}, {days}" if which else f"Jobs {days}"


def _which(kind: str, value: str) -> str:
    """Returns in words an option that chose the jobs: the readers of a report do not see its command."""
    return f"{_CHOSEN[kind]} {closed(ends(value, _MOST_PART))}" if value else f"without a {kind}"


def subtitle(report: Report) -> str:
    """Returns the exact period, and what it is compared with."""
    overview = report.overview
    since_ns, at_ns = overview.since_ns, overview.at_ns
    lasts = span(round((at_ns - since_ns) / 1e9, -1))  # some seconds pass from one to the other
    return (
        f"{to_the_minute(since_ns)} to {to_the_minute(at_ns)}, {zone(since_ns, at_ns)}, beside the {lasts} before. "
        f"From {printable(overview.source)}."
    )


def totals(report: Report) -> str:
    """Returns how many runs there were, and how many failed."""
    now, before = report.totals, report.totals_before
    if not now.runs:
        return f"No job ran{f', but {_runs(before.runs)} before' if before.runs else ', and none before'}."
    are_open = f", {number(now.running)} {'is' if now.running == 1 else 'are'} open" if now.running else ""
    earlier = "Before" if report.kept_ns is None else "Before, as far as it is kept"
    return (
        f"{_jobs(now.jobs)} ran {_times(now.runs)}: {number(now.failed)} failed{are_open}. "
        f"{earlier}: {_jobs(before.jobs)}, {_runs(before.runs)}, {number(before.failed)} failed."
    )


def states(report: Report) -> str:
    """Returns how many jobs are not ok at the end of the period."""
    count, bad = len(report.overview.jobs), len(not_ok(report))
    if not count:
        return "No job is known." if report.wanted == ALL else "No such job is known."
    if not bad and report.overview.hosts:
        return "All jobs are ok by themselves now, but a host or the store is not."
    if not bad:
        return "All jobs are ok now." if count > 1 else "The job is ok now."
    if count == 1:
        return "The job is not ok now."
    return f"{number(bad)} of {_jobs(count)} {'is' if bad == 1 else 'are'} not ok now."


def not_ok(report: Report) -> Sequence[JobView]:
    """Returns the jobs that are not ok, the worst first."""
    return [view for view in report.overview.jobs if view.level]


def of_host(about: About) -> str:
    """Returns what holds of a host, or of the store."""
    return f"{closed(ends(about.host or 'the store', _MOST_NAME))}: {printable(words_of(about.finding, to_the_minute))}"


def of_state(view: JobView) -> str:
    """Returns why a job is in its state; empty if nothing is wrong."""
    return printable(words_of(view.findings[0].finding, to_the_minute)) if view.level and view.findings else ""


def name(job: JobId) -> str:
    """Returns a job with its project and stage, printable; long names lose their middle, which JSON and CSV have."""
    parts = [closed(ends(part, _MOST_PART)) for part in job[1:] if part]
    name = closed(ends(job.job, _MOST_NAME))
    return f"{name} ({', '.join(parts)})" if parts else name


def no_change(report: Report) -> str:
    """Returns why no change is named, or not each; empty if all are."""
    kept = _kept(report)
    if report.changes:
        return kept
    if report.first_ns is None:
        return f"{_NOTHING_BUT} {kept}" if kept else _NOTHING_CHANGED
    first = f"Nothing can be compared: the first run that is known started at {to_the_minute(report.first_ns)}."
    return f"{first} {kept}" if kept else first


def _kept(report: Report) -> str:
    if report.kept_ns is None:
        return ""
    since = to_the_minute(report.kept_ns)
    return f"Runs before {since} are not kept, so no job is called new; a shorter --since compares whole periods."


def by_kind(report: Report) -> Sequence[tuple[str, Sequence[Change]]]:
    """Returns the changes of each kind that there is, with its heading."""
    found = {kind: [each for each in report.changes if each.kind == kind] for kind in KINDS}
    return [(HEADINGS[kind], of_kind) for kind, of_kind in found.items() if of_kind]


def of_change(change: Change) -> str:
    """Returns what changed, with the numbers of both periods."""
    now, before = change.now, change.before
    if change.kind == FAILING_MORE:
        return f"{_failed(now)} failed; {_failed(before)} before"
    if change.kind == SLOWER:
        return (
            f"half of the runs take {took(now.p50_s)} or longer, {change.ratio or 0:.1f} times as long as before "
            f"({took(before.p50_s)})"
        )
    if change.kind == NEW:
        return f"{_runs(now.runs)}, {number(now.failed)} failed; none before"
    last = "" if before.last_started_ns is None else f", the last one at {to_the_minute(before.last_started_ns)}"
    return f"no run; {_runs(before.runs)} before{last}"


def row(view: JobView) -> tuple[str, ...]:
    """Returns a job as a row of the table `COLUMNS`."""
    summary = view.summary
    success = view.success
    last = to_the_minute(success.ended_ns) if success and success.ended_ns is not None else "never" if view.last else ""
    return (
        view.state,
        name(view.job),
        number(summary.runs),
        number(summary.failed),
        percent(summary.success),
        took(summary.p50_s),
        took(summary.p95_s),
        last,
    )


def rest_of(found: Sequence[object]) -> str:
    """Returns how many of a list are not shown; empty if all are."""
    return f"and {number(len(found) - MOST)} more" if len(found) > MOST else ""


def of_failure(failure: FailureCount) -> str:
    """Returns in which way runs failed."""
    return ": ".join(ends(word, _MOST_NAME) for word in cause(failure.reason or "failed", failure.error_type))


def counted_failure(failure: FailureCount) -> str:
    """Returns a job, and how often it failed in which way."""
    return f"{name(failure.job)}: {_times(failure.count)} {of_failure(failure)}"


def _failed(summary: Summary) -> str:
    votes = counted(summary)
    return f"{number(votes - summary.ended)} of {_runs(votes)}"


def _runs(count: int) -> str:
    return f"{number(count)} run{'' if count == 1 else 's'}"


def _jobs(count: int) -> str:
    return f"{number(count)} job{'' if count == 1 else 's'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{number(count)} times"
