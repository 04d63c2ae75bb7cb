"""The page of one job: its state with the evidence, its pictures and its runs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight import job_page
from otel_job_measure.insight.finding_words import words_of
from otel_job_measure.insight.job_page import JobPage
from otel_job_measure.insight.matching import NS, started_ns
from otel_job_measure.insight.pictures.bars import Bar, bars
from otel_job_measure.insight.pictures.kinds import KINDS, kind_of
from otel_job_measure.insight.pictures.picture import Picture
from otel_job_measure.insight.pictures.scales import Times
from otel_job_measure.insight.pictures.scatter import Mark, scatter
from otel_job_measure.insight.pictures.timeline import timeline
from otel_job_measure.insight.run_store import Summary, Wanted
from otel_job_measure.insight.stretches import since_of, stretches
from otel_job_measure.insight.tally import nothing_of
from otel_job_measure.insight.words import exactly, number, span, took
from otel_job_measure.web.look import Look
from otel_job_measure.web.words import SIGNS, UNKNOWN, ago, at, last, outcome, percent

MOST_RUNS: Final = 3000
PER_PAGE: Final = 50
_SPANS: Final = {"1d": 1, "7d": 7, "30d": 30}
_DAY_NS: Final = 86_400 * NS
_USUAL: Final = "7d"
_LEAST_DELAY_S: Final = 0.001


class Query(NamedTuple):
    """What the address asks for."""

    job: str
    project: str
    stage: str
    span: str
    q: str
    status: str
    page: int

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Query":
        """Reads the parameters of an address; what means nothing counts as not given."""
        page, period = given.get("page", ""), given.get("span", "")
        return cls(
            job=given.get("job", ""),
            project=given.get("project", ""),
            stage=given.get("stage", ""),
            span=period if period in _SPANS else _USUAL,
            q=given.get("q", "").strip(),
            status=given.get("status", ""),
            page=int(page) if page.isascii() and page.isdigit() and len(page) < 8 else 1,  # noqa: PLR2004 - digits
        )

    def address(self, **changed: object) -> str:
        """Returns the address of the page with some parameters changed."""
        found = {**self._asdict(), "page": 1, **changed}
        usual = {"span": _USUAL, "page": 1}
        return f"/job?{urlencode({name: value for name, value in found.items() if value not in {'', usual.get(name)}})}"


def context(look: Look, query: Query) -> dict[str, Any] | None:
    """Asks the store, and returns what the template shows of a job; None if nothing is known of it."""
    job = JobId(query.job, query.project, query.stage)
    view = next((each for each in look.overview.jobs if each.job == job), None)
    now_ns = look.found.at_ns
    days = _SPANS[query.span]
    since_ns = now_ns - days * _DAY_NS
    page = job_page.job(look.store, look.found, job, since_ns=since_ns, view=view, most_runs=MOST_RUNS)
    if page is None:
        return None
    view = page.view
    summary = view.summary if query.span == _USUAL else _summary(look, job, since_ns)
    return {
        "query": query,
        "name": job.job,
        "where": " · ".join(part for part in (job.project, job.stage) if part),
        "state": {"name": view.state, "level": view.level, "sign": SIGNS[view.level]},
        "since": "" if view.since_ns is None else span((now_ns - view.since_ns) / NS),
        "findings": [
            {"words": words_of(each.finding, exactly), "host": each.host or "", "since": at(each.finding.since_ns)}
            for each in view.findings
            if each.finding.level
        ],
        "expected": page.expected or "nothing",
        "facts": [
            ("last run", "never" if view.last is None else last(view.last, now_ns)),
            ("last success", "never" if view.success is None else ago(view.success.ended_ns, now_ns)),
            ("next due", ago(view.next_due_ns, now_ns)),
        ],
        "figures": [
            ("runs", number(summary.runs)),
            ("failed", number(summary.failed)),
            ("success", percent(summary.success)),
            ("p50", took(summary.p50_s) or UNKNOWN),
            ("p95", took(summary.p95_s) or UNKNOWN),
            ("longest", took(summary.longest_s) or UNKNOWN),
        ],
        "spans": [
            {
                "name": f"{count} days" if count > 1 else "1 day",
                "url": query.address(span=name),
                "is_chosen": name == query.span,
            }
            for name, count in _SPANS.items()
        ],
        "pictures": _pictures(look, page, summary, since_ns),
        "is_cut": len(page.runs) >= MOST_RUNS,
        "most": number(MOST_RUNS),
        **_runs(page.runs, query),
    }


def _summary(look: Look, job: JobId, since_ns: int) -> Summary:
    """Returns what the runs of another period than that of the list come to."""
    return next(iter(look.store.summaries(Wanted.of_job(job, since_ns=since_ns))), nothing_of(job))


def _pictures(look: Look, page: JobPage, summary: Summary, since_ns: int) -> list[Picture]:
    """Returns the pictures of a period, or of the part whose runs are all known."""
    runs, now_ns = page.runs, look.found.at_ns
    from_ns = min(now_ns - NS, since_of(runs, MOST_RUNS, since_ns))
    times = Times(from_ns=from_ns, until_ns=now_ns)
    marks = [Mark(started_ns(run), run.duration_s, kind_of(run)) for run in runs if run.duration_s is not None]
    delays = [Mark(started_ns(run), run.lag_s, kind_of(run)) for run in runs if run.lag_s is not None]
    lines = {name: value for name, value in (("p50", summary.p50_s), ("p95", summary.p95_s)) if value is not None}
    found = [timeline(stretches(look.found, page.view.job, runs, page.events, from_ns), times, "When it ran")]
    if marks:
        found.append(scatter(marks, times, "How long it took", lines))
    if delays:
        found.append(scatter(delays, times, "How late it started", {}, _LEAST_DELAY_S))
    if page.failures:
        counts = [
            Bar(
                ", ".join(part for part in (each.reason, each.error_type) if part) or "failed",
                each.count,
                exactly(each.last_ns),
            )
            for each in page.failures
        ]
        found.append(bars(counts, "Why it failed"))
    return found


def _runs(runs: Sequence[RunRecord], query: Query) -> dict[str, Any]:
    """Returns the table of the runs: those that the search means, one page of them."""
    found = [run for run in runs if _is_meant(run, query)]
    pages = max(1, -(-len(found) // PER_PAGE))
    page = min(max(1, query.page), pages)
    shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
    return {
        "runs": [
            {
                "url": f"/run?{urlencode({'uuid': run.uuid})}",
                "uuid": run.uuid,
                "at": at(started_ns(run)),
                "outcome": outcome(run),
                "took": took(run.duration_s),
                "delay": took(run.lag_s),
                "host": run.host or "",
                "error": run.error_type or "",
            }
            for run in shown
        ],
        "said": f"{number(len(found))} of {number(len(runs))} runs",
        "kinds": [kind.name for kind in KINDS if any(kind_of(run) is kind for run in runs)],
        "paging": {
            "page": page,
            "pages": pages,
            "previous": query.address(page=page - 1) if page > 1 else "",
            "next": query.address(page=page + 1) if page < pages else "",
        },
    }


def _is_meant(run: RunRecord, query: Query) -> bool:
    if query.status and kind_of(run).name != query.status:
        return False
    texts = (run.uuid, run.host, run.reason, run.error_type, run.error_message, run.task_id)
    return not query.q or any(query.q.casefold() in text.casefold() for text in texts if text)
