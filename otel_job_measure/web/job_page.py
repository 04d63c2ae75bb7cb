"""The page of one job: its state with the evidence, its pictures and its runs."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight import job_page
from otel_job_measure.insight.finding_words import words_of
from otel_job_measure.insight.job_page import JobPage
from otel_job_measure.insight.job_runs import RunsPage, older_runs
from otel_job_measure.insight.matching import NS
from otel_job_measure.insight.overview import JobView, view_of
from otel_job_measure.insight.pictures.bars import Bar, bars
from otel_job_measure.insight.pictures.kinds import kind_of
from otel_job_measure.insight.pictures.picture import Picture
from otel_job_measure.insight.pictures.scales import Times
from otel_job_measure.insight.pictures.scatter import Mark, scatter
from otel_job_measure.insight.pictures.timeline import timeline
from otel_job_measure.insight.run_store import RunStore, Summary, Wanted
from otel_job_measure.insight.stretches import since_of, stretches
from otel_job_measure.insight.tally import nothing_of
from otel_job_measure.insight.words import cause, exactly, number, took
from otel_job_measure.web.look import Look
from otel_job_measure.web.runs_table import PER_PAGE, Search, page_of, run_address, table
from otel_job_measure.web.words import SIGNS, UNKNOWN, ago, at, held, last, percent

MOST_RUNS: Final = 3000
_SPANS: Final = {"1d": 1, "7d": 7, "30d": 30}
_DAY_NS: Final = 86_400 * NS
_USUAL: Final = "7d"
_LEAST_DELAY_S: Final = 0.001


class Query(NamedTuple):
    """What the address asks for."""

    job: JobId
    span: str
    search: Search

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Query":
        """Reads the parameters of an address; what means nothing counts as not given."""
        period = given.get("span", "")
        return cls(
            job=JobId(given.get("job", ""), given.get("project", ""), given.get("stage", "")),
            span=period if period in _SPANS else _USUAL,
            search=Search.of(given),
        )

    def address(self, **changed: str) -> str:
        """Returns the address of the page with some parameters changed, and without a place among the runs."""
        search = self.search._replace(before="", after="")._asdict()
        found = {**self.job._asdict(), "span": "" if self.span == _USUAL else self.span, **search, **changed}
        return f"job?{urlencode({name: value for name, value in found.items() if value or name == 'job'})}"


def context(look: Look, query: Query) -> dict[str, Any] | None:
    """Asks the store, and returns what the template shows of a job; None if nothing is known of it.

    If the address searches the runs, only these are shown: the figures and pictures of a job with a million runs cost
    more than a page of its runs.
    """
    view = next((each for each in look.overview.jobs if each.job == query.job), None)
    if query.search != Search():
        view = view or view_of(query.job, look.found)
        found = page_of(look.store, query.job, query.search)
        is_known = view.last is not None or view.findings or found.runs
        return {**_head(look, view, query), **_searched(found, query)} if is_known else None
    since_ns = look.found.at_ns - _SPANS[query.span] * _DAY_NS
    page = job_page.job(look.store, look.found, query.job, since_ns=since_ns, view=view, most_runs=MOST_RUNS)
    if page is None:
        return None
    summary = page.view.summary if query.span == _USUAL else _summary(look, query.job, since_ns)
    latest = older_runs(look.store, Wanted.of_job(query.job), PER_PAGE, known=page.runs)
    return {
        **_head(look, page.view, query),
        "expected": page.expected or "nothing",
        "figures": _figures(summary, page),
        "spans": [
            {
                "name": f"{count} days" if count > 1 else "1 day",
                "url": query.address(span="" if name == _USUAL else name),
                "is_chosen": name == query.span,
            }
            for name, count in _SPANS.items()
        ],
        "pictures": _pictures(look, page, summary, since_ns),
        "is_cut": len(page.runs) >= MOST_RUNS,
        "most": number(MOST_RUNS),
        "overview": "",
        **table(latest, query.search, query.address),
    }


def _searched(found: RunsPage, query: Query) -> dict[str, Any]:
    """Returns what the template shows of a search."""
    overview = query._replace(search=Search()).address()
    return {"overview": overview, "pictures": (), **table(found, query.search, query.address)}


def _head(look: Look, view: JobView, query: Query) -> dict[str, Any]:
    """Returns what the template shows of a job's state."""
    now_ns = look.found.at_ns
    return {
        "query": query,
        "name": view.job.job,
        "where": " · ".join(part for part in (view.job.project, view.job.stage) if part),
        "state": {"name": view.state, "level": view.level, "sign": SIGNS[view.level]},
        "since": held(view.since_ns, now_ns),
        "findings": [
            {"words": words_of(each.finding, exactly), "host": each.host or "", "since": at(each.finding.since_ns)}
            for each in view.findings
            if each.finding.level
        ],
        "facts": [
            ("last run", "never" if view.last is None else _linked(view.last, last(view.last, now_ns))),
            (
                "last success",
                "never" if view.success is None else _linked(view.success, ago(view.success.ended_ns, now_ns)),
            ),
            ("next due", ago(view.next_due_ns, now_ns)),
        ],
    }


def _lived_into(store: RunStore, view: JobView, from_ns: int) -> list[RunRecord]:
    """Returns the runs that started before a time and went on then: a service may run for weeks, or be stuck."""
    last = () if view.last is None else (view.last,)
    known = {run.uuid: run for run in (*last, *(each.run for each in store.open_runs(Wanted.of_job(view.job))))}
    earlier = (run for run in known.values() if started_ns(run) < from_ns)
    return [run for run in earlier if run.ended_ns is None or run.ended_ns > from_ns][:MOST_RUNS]


def _linked(run: RunRecord, shown: Markup) -> Markup:
    """Returns what is shown of a run as a link to it."""
    return Markup('<a href="{}">{}</a>').format(run_address(run), shown)


def _figures(summary: Summary, page: JobPage) -> list[tuple[str, object]]:
    uncounted = sum(each.count for each in page.failures if each.reason in names.UNCOUNTED_REASONS)
    beside = f", of which {number(uncounted)} do not count" if uncounted else ""  # or 100 % beside it is a riddle
    return [
        ("runs", number(summary.runs)),
        ("failed", f"{number(summary.failed)}{beside}"),
        ("success", percent(summary.success)),
        ("p50", took(summary.p50_s) or UNKNOWN),
        ("p95", took(summary.p95_s) or UNKNOWN),
        ("longest", took(summary.longest_s) or UNKNOWN),
    ]


def _summary(look: Look, job: JobId, since_ns: int) -> Summary:
    """Returns what the runs of another period than that of the list come to."""
    return next(iter(look.store.summaries(Wanted.of_job(job, since_ns=since_ns))), nothing_of(job))


def _pictures(look: Look, page: JobPage, summary: Summary, since_ns: int) -> list[Picture]:
    """Returns the pictures of a period, or of the part whose runs are all known."""
    runs, now_ns = page.runs, look.found.at_ns
    from_ns = min(now_ns - NS, since_of(runs, MOST_RUNS, since_ns))
    all_runs = [*runs, *_lived_into(look.store, page.view, from_ns)]
    times = Times(from_ns=from_ns, until_ns=now_ns)
    marks = [Mark(started_ns(run), run.duration_s, kind_of(run)) for run in runs if run.duration_s is not None]
    delays = [Mark(started_ns(run), run.lag_s, kind_of(run)) for run in runs if run.lag_s is not None]
    lines = {name: value for name, value in (("p50", summary.p50_s), ("p95", summary.p95_s)) if value is not None}
    found = [timeline(stretches(look.found, page.view.job, all_runs, page.events, from_ns), times, "When it ran")]
    if marks:
        found.append(scatter(marks, times, "How long it took", lines))
    if delays:
        found.append(scatter(delays, times, "How late it started", {}, _LEAST_DELAY_S))
    if page.failures:
        counts = [
            Bar(
                ", ".join(cause(each.reason, each.error_type)) or "failed",
                each.count,
                exactly(each.last_ns),
            )
            for each in page.failures
        ]
        found.append(bars(counts, "Why it failed"))
    return found
