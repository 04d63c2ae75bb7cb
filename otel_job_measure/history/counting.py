"""Counting the runs of a history by job, some at a time: a transaction keeps other processes from the file."""

from array import array
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.walks import BY_ID, Place, Walk

if TYPE_CHECKING:
    import sqlite3

_APART: Final = f"CASE WHEN ifnull(reason, '') <> '{names.REASON_LOST}' THEN (ended_ns - started_ns) / 1e9 END"
_DURATION: Final = f"CAST(ifnull(duration_s, {_APART}) AS REAL)"
_HAS_DURATION: Final = f"duration_s IS NOT NULL OR {_APART} IS NOT NULL"
_NONE: "array[float]" = array("d")
_TAKEN: Final = "taken"
"""An aggregate function that keeps its values, and returns their place: a row for each takes SQLite twice as long."""
_COUNTS: Final = f"count(*), {{latest}}, {_TAKEN}({_DURATION}) FILTER (WHERE {_HAS_DURATION})"
_OTHERS: Final = """
count(*) FILTER (WHERE success IS NOT 1.0), count(*) FILTER (WHERE success IS NULL AND reason IS NULL),
count(success) FILTER (WHERE success IS NOT 1.0)
"""
_GROUPED: Final = f"""
SELECT {{job}}, {_COUNTS.format(latest="max(started_ns)")}, {_OTHERS} FROM {{source}} WHERE {{where}} GROUP BY {{job}}
"""  # noqa: S608 - constant names
_LATEST: Final = "(SELECT started_ns FROM {source} WHERE {where} ORDER BY started_ns DESC LIMIT 1)"
_OF_ONE: Final = f"SELECT {{job}}, {_COUNTS.format(latest=_LATEST)} FROM {{source}} WHERE {{where}}"  # noqa: S608 - constant names
"""For the runs of one job: SQLite takes a quarter longer to look for the end of a group and for the greatest start."""
_OTHERS_OF_ONE: Final = f"SELECT {_OTHERS} FROM {{source}} WHERE {{where}} AND success IS NOT 1.0"  # noqa: S608 - constant names
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
    """In ascending order."""


class Failed(NamedTuple):
    """The runs of one job in one page that failed in the same way."""

    job: int | JobId
    reason: str | None
    error_type: str | None
    runs: int
    last_ns: int


class _Taken:
    """Keeps the durations of one job in ascending order, and returns their place among those of all jobs."""

    __slots__ = ("_kept", "_values", "step")

    def __init__(self, kept: "list[array[float]]") -> None:
        self._kept = kept
        self._values: list[float] = []  # an array takes longer to fill, and twice as long to sort
        self.step = self._values.append

    def finalize(self) -> int:
        self._values.sort()
        self._kept.append(array("d", self._values))
        return len(self._kept) - 1


Page = Callable[["sqlite3.Connection", Walk, Place, Place], list[Any]]
"""A question about one page: a `Summing`, or `failed`."""


class Summing:
    """A question about pages: what the runs of each job come to."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._kept: list[array[float]] = []

    def __call__(self, connection: "sqlite3.Connection", walk: Walk, after: Place, end: Place) -> list[Summed]:
        """Returns the answer for one page."""
        if connection is not self._connection:  # a new function makes SQLite prepare each statement again
            connection.create_aggregate(_TAKEN, 1, partial(_Taken, self._kept))
            self._connection = connection
        self._kept.clear()
        query, values = _OF_ONE if walk.is_of_one else _GROUPED, walk.values_of(after, end)
        found: list[Summed] = []
        for job, (runs, last_ns, place, *others) in _rows(connection, walk, query, values):
            if runs:
                durations = _NONE if place is None else self._kept[int(place)]
                without, running, votes = others or _others(connection, walk, values)
                ended = runs - without
                found.append(Summed(job, runs, ended, running, ended + votes, last_ns, durations))
        return found


def failed(connection: "sqlite3.Connection", walk: Walk, after: Place, end: Place) -> list[Failed]:
    """Returns how many runs of each job failed in the same way."""
    rows = _rows(connection, walk.without_success, _FAILURES, walk.values_of(after, end))
    return [
        Failed(job, reason or None, error_type, count, last_ns) for job, (reason, error_type, count, last_ns) in rows
    ]


def _others(connection: "sqlite3.Connection", walk: Walk, values: Mapping[str, object]) -> list[int]:
    """Returns how many runs of one job have no success, how many of them are open, and how many count as failures."""
    return list(connection.execute(walk.without_success.on_page(_OTHERS_OF_ONE), values).fetchone())


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
