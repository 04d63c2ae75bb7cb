"""The latest runs of each job: the end of its part of an index, so that a job of a million runs costs no more."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.mark import Mark
from otel_job_measure.history.parts import BY_JOB, filed
from otel_job_measure.history.run_order import oldest
from otel_job_measure.history.short_runs import Run, columns_of, short_runs
from otel_job_measure.history.walks import AT_ONCE, Place, Walk
from otel_job_measure.history.wanted import Wanted

if TYPE_CHECKING:
    import sqlite3

Recent = dict[JobId, list[Run]]
"""The latest runs of each job, the newest first."""
Most = Callable[[JobId], int]
"""How many runs of a job are wanted at most."""


_OF_JOB: Final = f"SELECT {{columns}} FROM {BY_JOB} WHERE job_id = :job_id AND {{where}} ORDER BY started_ns DESC"  # noqa: S608 - constant
_CUT: Final = " LIMIT :most + 1"
_EXACTLY: Final = ", uuid DESC, id DESC LIMIT :most"
"""For a job with runs of the same start; it takes a third longer, because rows are sorted."""
_SHARE: Final = 4
"""Fewer rows are read at once than are counted."""
_STARTED: Final = Mark._fields.index("started_ns")
_ON_PAGE: Final = "SELECT job, project, stage, {columns} FROM {{source}} WHERE {{where}}"
"""Sorted and cut here: a window function takes three times as long."""


def of_jobs(
    connection: "sqlite3.Connection", kind: type[Run], wanted: Wanted, most: Most, jobs: Sequence[tuple[int, JobId]]
) -> tuple[int, Recent[Run]]:
    """Returns the latest runs of some jobs, of those in the index by job, and how many jobs these are.

    Args:
        connection: The history.
        kind: What is wanted of each run.
        wanted: Which runs.
        most: How many of each job.
        jobs: The jobs with their ids.
    """
    values: dict[str, object] = {}
    query = _OF_JOB.format(columns=columns_of(kind), where=filed(wanted, values))
    found: Recent[Run] = {}
    room = AT_ONCE // _SHARE
    for done, (row_id, job) in enumerate(jobs):
        if room <= 0:
            return done, found
        at_most = most(job)
        of_job = {**values, "job_id": row_id, "most": at_most}
        rows = connection.execute(query + _CUT, of_job).fetchall() if at_most else []
        if len({row[_STARTED] for row in rows}) < len(rows):
            rows = connection.execute(query + _EXACTLY, of_job).fetchall()
        room -= len(rows)
        if latest := short_runs(kind, rows[:at_most]):
            found[job] = latest
    return len(jobs), found


def on_page(  # noqa: PLR0913 - a page and what is looked for
    connection: "sqlite3.Connection", walk: Walk, after: Place, end: Place, *, kind: type[Run], most: Most
) -> list[Recent[Run]]:
    """Returns the latest runs of each job on a page."""
    rows: dict[tuple[str, str | None, str | None], list[tuple[object, ...]]] = {}
    query = walk.on_page(_ON_PAGE.format(columns=columns_of(kind)))
    for row in connection.execute(query, walk.values_of(after, end)):
        rows.setdefault(row[:3], []).append(row[3:])
    found: Recent[Run] = {}
    for (job, project, stage), of_job in rows.items():
        found.setdefault(JobId(job, project or "", stage or ""), []).extend(short_runs(kind, of_job))
    return [{job: sorted(runs, key=oldest, reverse=True)[: most(job)] for job, runs in found.items()}]


def merged(found: Recent[Run], others: Recent[Run], most: Most) -> Recent[Run]:
    """Returns the latest of both."""
    both = {
        job: sorted(runs + found[job], key=oldest, reverse=True)[: most(job)]
        for job, runs in others.items()
        if job in found
    }
    return {**others, **found, **both}
