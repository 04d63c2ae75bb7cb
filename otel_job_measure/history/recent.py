"""The latest runs of each job: the end of its part of an index, so that a job of a million runs costs no more."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.mark import COLUMNS, Mark, marks, newest
from otel_job_measure.history.parts import BY_JOB, filed
from otel_job_measure.history.walks import Place, Walk
from otel_job_measure.history.wanted import Wanted

if TYPE_CHECKING:
    import sqlite3

Recent = dict[JobId, list[Mark]]
"""The latest runs of each job, the newest first."""

_OF_JOB: Final = f"SELECT {COLUMNS} FROM {BY_JOB} WHERE job_id = :job_id AND {{}} ORDER BY started_ns DESC"  # noqa: S608 - constant
_CUT: Final = " LIMIT :per_job + 1"
_EXACTLY: Final = ", uuid, id LIMIT :per_job"
"""For a job with runs of the same start; it takes a third longer, because rows are sorted."""
_STARTED: Final = COLUMNS.split(", ").index("started_ns")
_ON_PAGE: Final = f"SELECT job, project, stage, {COLUMNS} FROM {{source}} WHERE {{where}}"  # noqa: S608 - constant
"""Sorted and cut here: a window function takes three times as long."""


def of_jobs(connection: "sqlite3.Connection", wanted: Wanted, per_job: int, jobs: Mapping[int, JobId]) -> Recent:
    """Returns the latest runs of some jobs, of those in the index by job."""
    values: dict[str, object] = {"per_job": per_job}
    query = _OF_JOB.format(filed(wanted, values))
    found: Recent = {}
    for row_id, job in jobs.items():
        of_job = {**values, "job_id": row_id}
        rows = connection.execute(query + _CUT, of_job).fetchall()
        if len({row[_STARTED] for row in rows}) < len(rows):
            rows = connection.execute(query + _EXACTLY, of_job).fetchall()
        if latest := list(marks(rows[:per_job])):
            found[job] = latest
    return found


def on_page(connection: "sqlite3.Connection", walk: Walk, after: Place, end: Place, *, per_job: int) -> list[Recent]:
    """Returns the latest runs of each job on a page."""
    rows: dict[tuple[str, str | None, str | None], list[tuple[object, ...]]] = {}
    for row in connection.execute(walk.on_page(_ON_PAGE), walk.values_of(after, end)):
        rows.setdefault(row[:3], []).append(row[3:])
    found: Recent = {}
    for (job, project, stage), of_job in rows.items():
        found.setdefault(JobId(job, project or "", stage or ""), []).extend(marks(of_job))
    return [{job: sorted(runs, key=newest)[:per_job] for job, runs in found.items()}]


def merged(found: Recent, others: Recent, per_job: int) -> Recent:
    """Returns the latest of both."""
    both = {job: sorted(runs + found[job], key=newest)[:per_job] for job, runs in others.items() if job in found}
    return {**others, **found, **both}
