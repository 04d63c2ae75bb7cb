"""The latest runs of each job: the end of its part of an index, so that a job of a million runs costs no more."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from otel_job_measure.history.parts import BY_JOB, Parts, filed, outside, parts
from otel_job_measure.history.records import records
from otel_job_measure.history.rows import COLUMNS
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.history.wanted import Wanted

if TYPE_CHECKING:
    import sqlite3

_OF_JOB: Final = f"""
SELECT {", ".join(COLUMNS)} FROM {BY_JOB} WHERE job_id = :job_id AND {{}}
ORDER BY started_ns DESC, uuid, id LIMIT :per_job
"""  # noqa: S608 - constant
_TIMES: Final = "SELECT id, {at} AS at_ns, uuid, job, project, stage FROM {source} WHERE {where}"
_NUMBERED: Final = f"""
WITH times AS ({{}}),
numbered AS (
    SELECT id, at_ns, row_number() OVER (PARTITION BY job, project, stage ORDER BY at_ns DESC, uuid, id) AS place
    FROM times
)
SELECT {", ".join(f"runs.{name}" for name in COLUMNS)} FROM numbered JOIN runs USING (id) WHERE place <= :per_job
"""  # noqa: S608 - constant


def of_jobs(connection: "sqlite3.Connection", wanted: Wanted, per_job: int, jobs: Iterable[int]) -> list[RunRecord]:
    """Returns the latest runs of some jobs, of those in the index by job."""
    values: dict[str, object] = {}
    query = _OF_JOB.format(filed(wanted, values))
    found: list[RunRecord] = []
    for job in jobs:
        found += records(connection.execute(query, {**values, "per_job": per_job, "job_id": job}))
    return found


def of_others(connection: "sqlite3.Connection", wanted: Wanted, per_job: int) -> list[RunRecord]:
    """Returns the latest runs of each job among the runs that are not in the index by job."""
    return _numbered(connection, outside(connection, wanted), per_job)


def of_all(connection: "sqlite3.Connection", wanted: Wanted, per_job: int) -> list[RunRecord]:
    """Returns the latest runs of each job, by a look at all of them."""
    return _numbered(connection, parts(connection, wanted), per_job)


def _numbered(connection: "sqlite3.Connection", among: Parts, per_job: int) -> list[RunRecord]:
    query = _NUMBERED.format(" UNION ALL ".join(_TIMES.format(**part._asdict()) for part in among.parts))
    return records(connection.execute(query, {**among.values, "per_job": per_job}))
