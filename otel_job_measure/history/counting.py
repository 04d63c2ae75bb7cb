"""Counting the runs of a history by job, some at a time: a transaction keeps other processes from the file."""

from array import array
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.walks import BY_ID, Place, Walk

if TYPE_CHECKING:
    import sqlite3

_DURATION: Final = f"""
ifnull(duration_s, CASE WHEN ifnull(reason, '') <> '{names.REASON_LOST}' THEN (ended_ns - started_ns) / 1e9 END)
"""
_SUMMARY: Final = f"""
SELECT {{job}}, count(*), sum(success IS 1.0), sum(success IS NULL AND reason IS NULL), count(success),
    max(started_ns), count({_DURATION})
FROM {{source}} WHERE {{where}} GROUP BY {{job}} ORDER BY {{job}}
"""  # noqa: S608 - constant names
_DURATIONS: Final = f"""
SELECT CAST({_DURATION} AS REAL) FROM {{source}} WHERE {{where}} AND {_DURATION} IS NOT NULL ORDER BY {{job}}
"""  # noqa: S608 - constant names
_FAILURES: Final = f"""
SELECT {{job}}, reason, error_type, count(*), max(ended_ns) FROM {{source}}
WHERE {{where}} AND success IS NOT 1.0 AND status = '{names.STATUS_FAILED}' GROUP BY {{job}}, reason, error_type
"""  # noqa: S608 - constant names


class Summed(NamedTuple):
    """The runs of one job in one page."""

    job: int | JobId
    """The job's id in `jobs`, or in rows of former versions itself."""
    runs: int
    ended: int
    running: int
    votes: int
    """How many have `success`."""
    last_ns: int | None
    durations: "array[float]"


class Failed(NamedTuple):
    """The runs of one job in one page that failed in the same way."""

    job: int | JobId
    reason: str | None
    error_type: str | None
    runs: int
    last_ns: int


Page = Callable[["sqlite3.Connection", Walk, Place, Place], list[Any]]
"""A question about one page: `summed` or `failed`."""


def summed(connection: "sqlite3.Connection", walk: Walk, after: Place, end: Place) -> list[Summed]:
    """Returns what the runs of each job come to."""
    values = walk.values_of(after, end)
    durations = array("d", chain.from_iterable(connection.execute(walk.on_page(_DURATIONS), values)))
    summed_up: list[Summed] = []
    taken = 0
    for job, (*counts, last_ns, count) in _rows(connection, walk, _SUMMARY, values):
        runs, ended, running, votes = counts
        summed_up.append(Summed(job, runs, ended, running, votes, last_ns, durations[taken : taken + count]))
        taken += count
    return summed_up


def failed(connection: "sqlite3.Connection", walk: Walk, after: Place, end: Place) -> list[Failed]:
    """Returns how many runs of each job failed in the same way."""
    return [
        Failed(job, reason or None, error_type, count, last_ns)
        for job, (reason, error_type, count, last_ns) in _rows(connection, walk, _FAILURES, walk.values_of(after, end))
    ]


def _rows(
    connection: "sqlite3.Connection", walk: Walk, query: str, values: Mapping[str, object]
) -> Iterator[tuple[int | JobId, list[Any]]]:
    """Asks about one page; yields each job with what is said of it."""
    if walk.job == BY_ID:
        for job_id, *said in connection.execute(walk.on_page(query), values):
            yield job_id, said
        return
    for job, project, stage, *said in connection.execute(walk.on_page(query), values):
        yield JobId(job, project or "", stage or ""), said
