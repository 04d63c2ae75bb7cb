"""The page of all jobs: the worst first, filtered and sorted by plain links."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup

from otel_job_measure.history.run_order import started_ns
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.check import badness
from otel_job_measure.insight.finding_words import words_of
from otel_job_measure.insight.findings import ORDER
from otel_job_measure.insight.hosts import About
from otel_job_measure.insight.overview import JobView, Overview
from otel_job_measure.insight.pictures.kinds import kind_of
from otel_job_measure.insight.pictures.sparkline import sparkline
from otel_job_measure.insight.pictures.strip import strip
from otel_job_measure.insight.words import exactly, number, took
from otel_job_measure.web.words import SIGNS, UNKNOWN, ago, at, held, last, percent

PER_PAGE: Final = 50
_SHOWN: Final = 20
_BAD: Final = "not ok"


class Paging(NamedTuple):
    """Which page is shown, and the addresses of its neighbours."""

    page: int
    pages: int
    previous: str
    next: str


class _Sort(NamedTuple):
    name: str
    word: str


def _at(run: RunRecord | None) -> int | None:
    return None if run is None else started_ns(run)


def _last_first(value: float | None) -> tuple[bool, float]:
    return value is None, -(value or 0.0)


def _least_first(value: float | None) -> tuple[bool, float]:
    return value is None, value or 0.0


_KEYS: Final[Mapping[str, Callable[[JobView], Any]]] = {
    "worst": lambda _: 0,
    "name": lambda view: view.job,
    "last": lambda view: _last_first(_at(view.last)),
    "success": lambda view: _least_first(view.success.ended_ns if view.success else -1),
    "due": lambda view: _least_first(view.next_due_ns),
    "runs": lambda view: -view.summary.runs,
    "rate": lambda view: _least_first(view.summary.success),
    "p50": lambda view: _last_first(view.summary.p50_s),
    "p95": lambda view: _last_first(view.summary.p95_s),
}
"""What jobs are sorted by; those without a value come last."""
_SORTS: Final = (
    _Sort("worst", "worst first"),
    _Sort("name", "by name"),
    _Sort("last", "latest run first"),
    _Sort("success", "oldest success first"),
    _Sort("due", "next due first"),
    _Sort("runs", "most runs first"),
    _Sort("rate", "least success first"),
    _Sort("p50", "longest median first"),
    _Sort("p95", "longest p95 first"),
)
_COLUMNS: Final = (
    *(("c-state", "state", "worst"), ("c-job", "job", "name"), ("c-last", "last run", "last")),
    *(("c-success", "last success", "success"), ("c-due", "next due", "due"), ("c-runs n", "runs", "runs")),
    *(("c-rate n", "success", "rate"), ("c-p50 n", "p50", "p50"), ("c-p95 n", "p95", "p95")),
    *(("c-strip", "last runs", ""), ("c-spark", "durations", "")),
)


class Query(NamedTuple):
    """What the address asks for."""

    q: str
    state: str
    project: str
    stage: str
    sort: str
    page: int

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Query":
        """Reads the parameters of an address; what means nothing counts as not given."""
        sort = given.get("sort", "")
        page = given.get("page", "")
        return cls(
            q=given.get("q", "").strip(),
            state=given.get("state", ""),
            project=given.get("project", ""),
            stage=given.get("stage", ""),
            sort=sort if sort in _KEYS else _SORTS[0].name,
            page=int(page) if page.isascii() and page.isdigit() and len(page) < 8 else 1,  # noqa: PLR2004 - digits
        )

    def address(self, **changed: object) -> str:
        """Returns the address of the page with some parameters changed."""
        defaults = Query.of({})
        found = self._replace(page=1)._replace(**changed)  # type: ignore[arg-type]
        given = {name: value for name, value in found._asdict().items() if value != getattr(defaults, name)}
        return f"./?{urlencode(given)}" if given else "./"


def context(overview: Overview | None, query: Query, now_ns: int) -> dict[str, Any]:
    """Returns what the template shows of hosts, and of all jobs, the worst first, for a query."""
    jobs, abouts = ((), ()) if overview is None else (overview.jobs, overview.hosts)
    within = [view for view in jobs if _is_within(view, query)]
    counts = Counter(view.state for view in within)
    found = [view for view in within if _has_state(view, query.state)]
    found.sort(key=_KEYS[query.sort])
    count = max(1, -(-len(found) // PER_PAGE))
    page = min(max(1, query.page), count)
    shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
    first = (page - 1) * PER_PAGE + 1
    return {
        "total": len(jobs),
        "query": query,
        "hosts": [_of_host(about) for about in abouts],
        "rows": [_row(view, now_ns) for view in shown],
        "chips": _chips(within, counts, query),
        "projects": sorted({view.job.project for view in jobs if view.job.project}),
        "stages": sorted({view.job.stage for view in jobs if view.job.stage}),
        "sorts": _SORTS,
        "columns": [_column(*column, query) for column in _COLUMNS],
        "said": f"{number(first)} to {number(first + len(shown) - 1)} of {number(len(found))} jobs",
        "paging": Paging(
            page,
            count,
            query.address(page=page - 1) if page > 1 else "",
            query.address(page=page + 1) if page < count else "",
        ),
    }


def job_address(view: JobView, **more: object) -> str:
    """Returns the address of a job's page."""
    job = view.job
    parts = {"job": job.job, "project": job.project, "stage": job.stage, **more}
    return f"job?{urlencode({name: value for name, value in parts.items() if value or name == 'job'})}"


def _is_within(view: JobView, query: Query) -> bool:
    is_named = query.q.casefold() in view.job.job.casefold()
    return is_named and query.project in {"", view.job.project} and query.stage in {"", view.job.stage}


def _has_state(view: JobView, state: str) -> bool:
    return not state or view.state == state or (state == _BAD and view.level > 0)


def _chips(within: Sequence[JobView], counts: Mapping[str, int], query: Query) -> list[dict[str, Any]]:
    """Returns a link for each state that there is, the worst first."""
    levels = {view.state: view.level for view in within}
    bad = sum(view.level > 0 for view in within)

    def chip(name: str, state: str, level: int, count: int, sign: str = "") -> dict[str, Any]:
        address = query.address(state=state)
        is_chosen = query.state == state
        return {
            "name": name, "url": address, "level": level, "count": number(count), "is_chosen": is_chosen, "sign": sign
        }  # fmt: skip

    ordered = sorted(levels, key=lambda name: (-badness(levels[name]), ORDER.get(name, len(ORDER))))
    states = [chip(name, name, levels[name], counts[name], SIGNS[levels[name]]) for name in ordered]
    firsts = [chip("all", "", 0, len(within))]
    if sum(levels[name] > 0 for name in ordered) > 1 or query.state == _BAD:
        firsts.append(chip(_BAD, _BAD, 0, bad))
    return firsts + states


def _column(name: str, word: str, sort: str, query: Query) -> dict[str, str]:
    is_sorted = bool(sort) and query.sort == sort
    return {
        "name": name,
        "word": word,
        "url": query.address(sort=sort) if sort and not is_sorted else "",
        "order": ("ascending" if sort in {"name", "due", "rate", "success"} else "descending") if is_sorted else "",
    }


def _of_host(about: About) -> dict[str, Any]:
    finding = about.finding
    return {
        "state": {"name": finding.name, "level": finding.level, "sign": SIGNS[finding.level]},
        "host": about.host or "the store",
        "words": words_of(finding, exactly),
        "since": at(finding.since_ns),
    }


def _row(view: JobView, now_ns: int) -> dict[str, Any]:
    """Returns one row."""
    summary = view.summary
    return {
        "url": job_address(view),
        "name": view.job.job,
        "where": " · ".join(part for part in (view.job.project, view.job.stage) if part),
        "state": {"name": view.state, "level": view.level, "sign": SIGNS[view.level]},
        "since": held(view.since_ns, now_ns) if view.level else "",
        "since_at": "" if view.since_ns is None else exactly(view.since_ns),
        "words": words_of(view.findings[0].finding, exactly) if view.level else "",
        "last": "never" if view.last is None else last(view.last, now_ns),
        "success": ago(view.success.ended_ns, now_ns) if view.success else "never" if view.last else UNKNOWN,
        "due": ago(view.next_due_ns, now_ns),
        "runs": number(summary.runs),
        "rate": percent(summary.success),
        "p50": took(summary.p50_s) or UNKNOWN,
        "p95": took(summary.p95_s) or UNKNOWN,
        "strip": Markup(strip([kind_of(run) for run in view.strip], view.job.job, _SHOWN)),  # noqa: S704 - escaped there
        "spark": Markup(  # noqa: S704 - escaped there
            sparkline([run.duration_s for run in view.strip if run.duration_s is not None], view.job.job)
        ),
    }
