"""The page of one run: all that is known of it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from otel_job_measure import names
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight import run_page
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.words import span, took
from otel_job_measure.web.look import Look
from otel_job_measure.web.runs_table import run_address, time_in
from otel_job_measure.web.words import UNKNOWN, at, outcome


def context(look: Look, query: Mapping[str, str], now_ns: int) -> dict[str, Any] | None:
    """Asks the store, and returns what the template shows; None if no run has such an id."""
    found = run_page.found_runs(look.store, query.get("uuid", ""), time_in(query.get("at", "")))
    if not found:
        return None
    store = look.store
    output = store.output if isinstance(store, HistoryStore) else _no_output
    page = run_page.run(store, found[0], at_ns=now_ns, output_of=output, trace_link=look.trace_link)
    run = page.run
    job = {"job": run.job, "project": run.project or "", "stage": run.stage or ""}
    url = page.trace_url or ""
    facts = [
        ("started", at(run.started_ns)),
        ("ended", run_page.END_OF_LOST if run.reason == names.REASON_LOST else at(run.ended_ns)),
        ("took", took(run.duration_s) if page.age_s is None else f"running for {span(page.age_s)}"),
        ("due", at(page.due_ns)),
        ("late by", took(run.lag_s)),
        ("waited in a queue", took(run.queued_s)),
        ("host", run.host or ""),
        ("trigger", run.trigger or ""),
        ("attempt", str(run.attempt or "")),
        ("task", run.task_id or ""),
        ("last sign of life", UNKNOWN if page.open is None else at(page.open.alive_ns)),
        ("tags", ", ".join(f"{name}={value}" for name, value in run.tags.items())),
        ("trace", run.trace_id or ""),
    ]
    return {
        "run": run,
        "job_url": f"job?{urlencode({name: value for name, value in job.items() if value or name == 'job'})}",
        "where": " · ".join(part for part in (run.project, run.stage) if part),
        "outcome": outcome(run),
        "facts": [fact for fact in facts if fact[1] and fact[1] != UNKNOWN],
        "trace_url": url if url.startswith(("http://", "https://")) else "",
        "output": {
            name: [line.expandtabs() for line in data.decode("utf-8", "replace").removesuffix("\n").split("\n")]
            for name, data in page.output.items()
            if data
        },
        "attempts": [(f"{each.attempt or ''}", _linked(each)) for each in page.attempts],
        "neighbours": [
            (word, _linked(each)) for word, each in (("before", page.before), ("after", page.after)) if each is not None
        ],
        "others": [(each.job, _linked(each)) for each in found[1:]],
    }


def _linked(run: RunRecord) -> dict[str, Any]:
    return {
        "url": run_address(run),
        "uuid": run.uuid,
        "job": run.job,
        "at": at(started_ns(run)),
        "outcome": outcome(run),
        "took": took(run.duration_s),
    }


def _no_output(_uuid: str) -> dict[str, bytes]:
    """Returns the output of a run in InfluxDB, which has none."""
    return {}
