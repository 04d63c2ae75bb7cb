"""The table of jobs: runs have the id of their job, so that counting compares no texts."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.conditions import condition
from otel_job_measure.history.wanted import Wanted

if TYPE_CHECKING:
    import sqlite3

_ID: Final = "SELECT id FROM jobs WHERE job = ? AND project = ? AND stage = ?"
_NEW: Final = "INSERT INTO jobs (job, project, stage) VALUES (?, ?, ?)"


def ids_of(connection: "sqlite3.Connection", jobs: Iterable[JobId]) -> dict[JobId, int | None]:
    """Returns the ids of jobs; new ones get the next."""
    ids: dict[JobId, int | None] = {}
    for job in jobs:
        found = connection.execute(_ID, job).fetchone()
        ids[job] = found[0] if found else connection.execute(_NEW, job).lastrowid
    return ids


def jobs_of(connection: "sqlite3.Connection", wanted: Wanted) -> dict[int, JobId]:
    """Returns the jobs that are wanted, by their ids."""
    chosen = condition(wanted.of_jobs(), none="")
    query = f"SELECT id, job, project, stage FROM jobs WHERE {chosen.sql} ORDER BY id"  # noqa: S608 - constant names
    return {row_id: JobId(*job) for row_id, *job in connection.execute(query, chosen.values)}
