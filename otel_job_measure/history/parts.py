"""Which parts of the runs are read for a question, each by an index of its own; together they meet each run once."""

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_job_measure.history.conditions import condition, halves, within
from otel_job_measure.history.filing import unfiled
from otel_job_measure.history.jobs import jobs_of
from otel_job_measure.history.wanted import Wanted

if TYPE_CHECKING:
    import sqlite3

BY_JOB: Final = "runs INDEXED BY runs_by_job"
WITHOUT_SUCCESS: Final = "runs INDEXED BY runs_without_success"
BY_START: Final = "runs INDEXED BY runs_by_start"
_MOST_JOBS: Final = 50
"""A name stands for a job in each project and stage; SQLite takes some hundred parts."""


class Part(NamedTuple):
    """Some of the runs."""

    source: str
    """The table, and perhaps the index that must be used."""
    at: str
    """The column that tells when such a run counts."""
    where: str
    """Which runs these are, and what is wanted of them."""


class Parts(NamedTuple):
    """All parts, and the values of their parameters."""

    parts: list[Part]
    values: dict[str, object]


def parts(connection: "sqlite3.Connection", wanted: Wanted) -> Parts:
    """Returns the parts of the runs that are wanted: by the index by job if a job is named, else by the times."""
    if wanted.job is not None and wanted.pattern is None:
        jobs = jobs_of(connection, wanted)
        if len(jobs) <= _MOST_JOBS:
            found = outside(connection, wanted)
            of_job = filed(wanted, found.values)
            return Parts(
                [Part(BY_JOB, "started_ns", f"job_id = {job:d} AND {of_job}") for job in jobs] + found[0], found[1]
            )
    chosen = condition(wanted)
    both, bounds = halves(wanted)
    return Parts([Part("runs", half.at, f"{half.sql} AND {chosen.sql}") for half in both], {**chosen.values, **bounds})


def filed(wanted: Wanted, values: dict[str, object]) -> str:
    """Returns what must hold for a run of the index by job besides its job, and adds the values of the parameters."""
    chosen = condition(Wanted(host=wanted.host, words=wanted.words))
    values.update(chosen.values)
    return f"filed = 1 AND started_ns IS NOT NULL AND {within('started_ns', wanted, values)} AND {chosen.sql}"


def outside(connection: "sqlite3.Connection", wanted: Wanted) -> Parts:
    """Returns the parts with the runs that the index by job does not find: without a start, or not in it yet."""
    chosen, last = condition(wanted), unfiled(connection)
    (with_start, without), bounds = halves(wanted)
    found = [Part(BY_START, without.at, f"{without.sql} AND {chosen.sql}")]
    if last:
        former = f"filed IS NULL AND id <= {last:d} AND {with_start.sql} AND {chosen.sql}"
        found.append(Part("runs", with_start.at, former))
    return Parts(found, {**chosen.values, **bounds})
