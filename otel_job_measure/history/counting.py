"""Counting the runs of a history by job, some at a time: a transaction keeps other processes from the file."""

from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.conditions import Condition, condition, halves
from otel_job_measure.history.wanted import Wanted

if TYPE_CHECKING:
    import sqlite3

AT_ONCE: Final = 100_000
"""How many rows a transaction reads: it takes some tenths of a second."""
_DURATION: Final = f"""
ifnull(duration_s, CASE WHEN ifnull(reason, '') <> '{names.REASON_LOST}' THEN (ended_ns - started_ns) / 1e9 END)
"""
_SUMMARY: Final = f"""
SELECT {{0}}, count(*), sum(status = '{names.STATUS_END}'), sum(status = '{names.STATUS_START}'), count(success),
    max(started_ns), collected(CAST(took_s AS REAL)) FILTER (WHERE took_s IS NOT NULL)
FROM (SELECT *, {_DURATION} AS took_s FROM runs WHERE {{1}} AND {{2}} AND {{3}}) GROUP BY {{0}}
"""  # noqa: S608 - constant names
_FAILURES: Final = f"""
SELECT {{0}}, reason, error_type, count(*), max(ended_ns)
FROM runs WHERE {{1}} AND {{2}} AND {{3}} AND status = '{names.STATUS_FAILED}' GROUP BY {{0}}, reason, error_type
"""  # noqa: S608 - constant names
_BY_ID: Final = ("job_id", "TRUE")
_BY_NAME: Final = ("job, project, stage", "job_id IS NULL")
"""For rows of former versions, which have no id of their job; comparing texts takes twice as long."""
_BOUND: Final = """
SELECT {0}, id FROM runs WHERE {1} AND ({0}, id) > (:at_ns, :id) ORDER BY {0}, id LIMIT 1 OFFSET :more
"""

Place = tuple[int, int]
"""A value of the column that the pages follow, and a row id."""
BEGIN: Final[Place] = (-(2**63), -1)
END: Final[Place] = (2**63 - 1, 2**63 - 1)


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


class Walk(NamedTuple):
    """A way through the runs that are wanted, page by page."""

    at: str
    """The column that the pages follow: one of times, or the row ids."""
    half: str
    """Which runs are met."""
    chosen: Condition

    def end_of_page(self, connection: "sqlite3.Connection", after: Place) -> Place:
        """Returns the last place of the page that begins after another one."""
        values = {**self.chosen.values, "at_ns": after[0], "id": after[1], "more": AT_ONCE - 1}
        found = connection.execute(_BOUND.format(self.at, self.half), values).fetchone()
        return END if found is None else (found[0], found[1])

    def rows(
        self, connection: "sqlite3.Connection", query: str, after: Place, end: Place
    ) -> Iterator[tuple[int | JobId, list[Any]]]:
        """Asks about one page; yields each job with what is said of it."""
        within = f"{self.half} AND ({self.at}, id) > (:at_ns, :id) AND ({self.at}, id) <= (:end_ns, :end_id)"
        places = {"at_ns": after[0], "id": after[1], "end_ns": end[0], "end_id": end[1]}
        values = {**self.chosen.values, **places}

        def ask(job: str, more: str) -> "sqlite3.Cursor":
            return connection.execute(query.format(job, within, self.chosen.sql, more), values)

        is_former = False
        for job_id, *said in ask(*_BY_ID):
            if job_id is None:
                is_former = True
            else:
                yield job_id, said
        if is_former:
            for job, project, stage, *said in ask(*_BY_NAME):
                yield JobId(job, project or "", stage or ""), said


def walks(wanted: Wanted) -> list[Walk]:
    """Returns the ways that together meet each run once: by the times if an earliest one is given, else by the ids."""
    chosen = condition(wanted)
    both, bounds = halves(wanted)
    chosen.values.update(bounds)
    if wanted.since_ns is None:
        until = "TRUE" if wanted.until_ns is None else "ifnull(started_ns, ended_ns) < :until"
        return [Walk("id", until, chosen)]
    return [Walk(half.at, half.sql, chosen) for half in both]


def summed(connection: "sqlite3.Connection", walk: Walk, after: Place, end: Place) -> list[Summed]:
    """Returns what the runs of each job come to."""
    held: list[array[float]] = []

    class Collected:
        """The durations of one job; for each of them, SQLite calls `append` itself."""

        def __init__(self) -> None:
            self._values = array("d")
            self.step = self._values.append

        def finalize(self) -> int:
            held.append(self._values)
            return len(held) - 1

    connection.create_aggregate("collected", 1, Collected)
    summed_up: list[Summed] = []
    none: array[float] = array("d")
    for job, (runs, ended, running, votes, last_ns, place) in walk.rows(connection, _SUMMARY, after, end):
        durations = none if place is None else held[int(place)]
        summed_up.append(Summed(job, runs, ended, running, votes, last_ns, durations))
    return summed_up


def failed(connection: "sqlite3.Connection", walk: Walk, after: Place, end: Place) -> list[Failed]:
    """Returns how many runs of each job failed in the same way."""
    return [
        Failed._make((job, reason or None, *others))
        for job, (reason, *others) in walk.rows(connection, _FAILURES, after, end)
    ]


def jobs(connection: "sqlite3.Connection") -> dict[int, JobId]:
    """Returns the jobs by their ids."""
    return {row_id: JobId(*job) for row_id, *job in connection.execute("SELECT id, job, project, stage FROM jobs")}


Page = Callable[["sqlite3.Connection", Walk, Place, Place], list[Any]]
"""A question about one page: `summed` or `failed`."""
