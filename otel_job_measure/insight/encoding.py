"""The JSON of jobs and runs: one encoding for `--json`, the page and the report; docs/see.md describes it.

Times are ISO 8601 in UTC, and again in ns since 1970 under a name with `_ns`; durations are seconds. A value that is
unknown is null, and each object always has all its names.
"""

from typing import Any, Final

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.mark import Mark
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.finding_words import idle_words, words_of
from otel_job_measure.insight.findings import Finding
from otel_job_measure.insight.job_page import JobPage
from otel_job_measure.insight.overview import JobView, Overview
from otel_job_measure.insight.run_page import RunPage
from otel_job_measure.insight.run_store import Summary
from otel_job_measure.points.monitor import Event
from otel_job_measure.timestamps import utc

VERSION: Final = 1
"""Of all objects here; a new name does not change it."""


def overview_object(found: Overview) -> dict[str, Any]:
    """Returns all jobs, and what holds of hosts."""
    return {
        "version": VERSION,
        "source": found.source,
        **time_of("at", found.at_ns),
        **time_of("since", found.since_ns),
        **time_of("kept", found.kept_ns if found.kept_ns > found.since_ns else None),
        "level": found.level,
        "hosts": [{"host": about.host, **_finding(about.finding)} for about in found.hosts],
        "jobs": [job_object(view) for view in found.jobs],
    }


def job_object(view: JobView) -> dict[str, Any]:
    """Returns one job of the list."""
    return {
        **job_names(view.job),
        "state": view.state,
        "level": view.level,
        "words": words_of(view.findings[0].finding, _minute) if view.findings else idle_words(),
        **time_of("since", view.since_ns),
        "findings": [{**_finding(each.finding), "host": each.host, "told": each.told} for each in view.findings],
        "last_run": None if view.last is None else run_object(view.last),
        "last_success": None if view.success is None else run_object(view.success),
        **time_of("next_due", view.next_due_ns),
        **summary_object(view.summary),
        "strip": [_mark(run) for run in view.strip],
    }


def summary_object(summary: Summary) -> dict[str, Any]:
    """Returns what the runs of a job come to."""
    return {
        "runs": summary.runs,
        "ended": summary.ended,
        "failed": summary.failed,
        "running": summary.running,
        "success": summary.success,
        "p50_s": summary.p50_s,
        "p95_s": summary.p95_s,
        "longest_s": summary.longest_s,
    }


def job_page_object(page: JobPage) -> dict[str, Any]:
    """Returns one job with all that is known of it."""
    return {
        "version": VERSION,
        **time_of("at", page.at_ns),
        **time_of("since", page.since_ns),
        "job": job_object(page.view),
        "expected": page.expected,
        "failures": [
            {"reason": each.reason, "error_type": each.error_type, "count": each.count, **time_of("last", each.last_ns)}
            for each in page.failures
        ],
        "runs": [run_object(run) for run in page.runs],
        "events": [_event(event) for event in page.events],
    }


def run_page_object(page: RunPage) -> dict[str, Any]:
    """Returns one run with what belongs to it."""
    return {
        "version": VERSION,
        **time_of("at", page.at_ns),
        "run": run_object(page.run),
        **time_of("due", page.due_ns),
        **time_of("alive", None if page.open is None else page.open.alive_ns),
        "age_s": page.age_s,
        "output": {stream: data.decode("utf-8", "replace") for stream, data in page.output.items()},
        "attempts": [run_object(run) for run in page.attempts],
        "before": None if page.before is None else run_object(page.before),
        "after": None if page.after is None else run_object(page.after),
        "trace_url": page.trace_url,
    }


def run_object(run: RunRecord) -> dict[str, Any]:
    """Returns one run."""
    return {
        "job": run.job,
        "uuid": run.uuid,
        "status": run.status,
        "reason": run.reason,
        **time_of("started", run.started_ns),
        **time_of("ended", run.ended_ns),
        "duration_s": run.duration_s,
        "datacenter": run.datacenter,
        "project": run.project,
        "stage": run.stage,
        "tags": dict(run.tags),
        "host": run.host,
        "attempt": run.attempt,
        "task_id": run.task_id,
        "trigger": run.trigger,
        "lag_s": run.lag_s,
        "queued_s": run.queued_s,
        "trace_id": run.trace_id,
        "span_id": run.span_id,
        "error_type": run.error_type,
        "error_message": run.error_message,
    }


def iso(time_ns: int | None) -> str | None:
    """Returns a time in ISO 8601, UTC, to the nanosecond."""
    if time_ns is None:
        return None
    return f"{utc(time_ns):%Y-%m-%dT%H:%M:%S}.{time_ns % 10**9:09}Z"


def job_names(job: JobId) -> dict[str, Any]:
    """Returns which job it is."""
    return {"job": job.job, "project": job.project or None, "stage": job.stage or None}


def time_of(name: str, time_ns: int | None) -> dict[str, Any]:
    """Returns a time twice: for people and for programs."""
    return {name: iso(time_ns), f"{name}_ns": time_ns}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "state": finding.name,
        "level": finding.level,
        "words": words_of(finding, _minute),
        **time_of("since", finding.since_ns),
        **time_of("due", finding.due_ns),
        "uuid": finding.uuid,
        "detail": finding.detail,
    }


def _mark(run: Mark) -> dict[str, Any]:
    return {
        "uuid": run.uuid,
        "status": run.status,
        "reason": run.reason,
        **time_of("started", run.started_ns),
        **time_of("ended", run.ended_ns),
        "duration_s": run.duration_s,
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "event": event.event,
        **time_of("at", event.at_ns),
        **time_of("due", event.due_ns),
        "uuid": event.uuid,
        "detail": event.detail,
    }


def _minute(time_ns: int) -> str:
    return f"{utc(time_ns):%Y-%m-%d %H:%M} UTC"
