"""Ways through the runs of a history, page by page: a transaction keeps other processes from the file.

A question about a job, or one that the index by job can answer alone, has a way for each job by that index, so that
nothing is sorted and no run outside the period is met. Other questions go by the times, or by the row ids.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.conditions import condition, halves, within
from otel_job_measure.history.filing import unfiled
from otel_job_measure.history.jobs import jobs_of
from otel_job_measure.history.parts import BY_JOB, BY_START, WITHOUT_SUCCESS
from otel_job_measure.history.wanted import Wanted

if TYPE_CHECKING:
    import sqlite3

AT_ONCE: Final = 100_000
"""How many rows a transaction reads: it takes some tenths of a second."""
_PAGES: Final = 10
"""A file of so few pages, with short jobs on average, is not asked where a page of a job ends: that takes counting."""
_BOUND: Final = """
SELECT {order} FROM {source} WHERE {where} AND {within} ORDER BY {order} LIMIT 1 OFFSET :more
"""
_ROWS: Final = "SELECT (SELECT max(id) FROM runs) - (SELECT min(id) FROM runs) + 1"
_BY_JOB: Final = "job_id, started_ns"
_OF_JOB: Final = "started_ns > :after_2 AND started_ns <= :end_2"
"""Of one job, the pages follow the starts alone: comparing pairs takes twice as long."""
_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1

Place = tuple[int, int]
"""The values of the two columns that the pages follow."""
BEGIN: Final[Place] = (_LEAST, -1)
END: Final[Place] = (_MOST, _MOST)
BY_ID: Final = "job_id"
BY_NAME: Final = "job, project, stage"
"""For rows of former versions, which may have no id of their job; comparing texts takes twice as long."""


class Walk(NamedTuple):
    """A way through the runs that are wanted."""

    source: str
    """The table, and perhaps the index that must be used."""
    order: str
    """The two columns that the pages follow."""
    where: str
    """Which runs are met."""
    values: dict[str, object]
    job: str = BY_ID
    """What tells the job of a run."""
    begin: Place = BEGIN
    """The place before the first page."""
    end: Place = END
    """The place of the last run, or one behind it."""
    share: int = 1
    """A page has the usual rows divided by this: a question that takes longer for each row reads fewer at once."""
    is_short: bool = False
    """Whether one page has all its rows."""

    def end_of_page(self, connection: "sqlite3.Connection", after: Place) -> Place:
        """Returns the last place of the page that begins after another one."""
        if self.is_short:
            return self.end
        values = self.values_of(after, self.end)
        query = _BOUND.format(order=self.order, source=self.source, where=self.where, within=self._within)
        found = connection.execute(query, {**values, "more": -(-AT_ONCE // self.share) - 1}).fetchone()
        return self.end if found is None else (found[0], found[1])

    def on_page(self, query: str) -> str:
        """Returns a query about the runs of one page."""
        return _on_page(query, self.source, self.where, self._within, self.job)

    def values_of(self, after: Place, end: Place) -> dict[str, object]:
        """Returns the values of the parameters of a page."""
        return {**self.values, "after_1": after[0], "after_2": after[1], "end_1": end[0], "end_2": end[1]}

    @property
    def is_of_one(self) -> bool:
        """Whether it meets the runs of one job, in the order of their starts."""
        return self.order == _BY_JOB

    @property
    def without_success(self) -> "Walk":
        """The same way through the runs alone that have no success; the question says so too."""
        return self._replace(source=WITHOUT_SUCCESS) if self.is_of_one else self

    @property
    def _within(self) -> str:
        if self.is_of_one:
            return _OF_JOB
        return f"({self.order}) > (:after_1, :after_2) AND ({self.order}) <= (:end_1, :end_2)"


@lru_cache(maxsize=256)
def _on_page(query: str, source: str, where: str, within_page: str, job: str) -> str:
    """Returns the text of a query; the ways of 10,000 jobs share one."""
    return query.format(source=source, where=f"{where} AND {within_page}", job=job)


EVERYWHERE: Final = Walk("runs", "id, id", "TRUE", {})
"""The way through all runs, for questions that no index answers."""


class Walks(NamedTuple):
    """The ways that together meet each run once, and the jobs that are wanted, by their ids."""

    walks: list[Walk]
    jobs: dict[int, JobId]


def walks(connection: "sqlite3.Connection", wanted: Wanted) -> Walks:
    """Returns the ways through the runs that are wanted.

    Args:
        connection: The history.
        wanted: Which runs.
    """
    jobs, last = jobs_of(connection, wanted), unfiled(connection)
    names_job = wanted.job is not None and wanted.pattern is None
    if (wanted.host is not None or wanted.words) and not names_job:  # the index by job does not have these
        return Walks([way for walk in _by_time(wanted) for way in _named(walk, last)], jobs)
    found = _by_job(connection, wanted, jobs)
    chosen = condition(wanted)
    without = f"started_ns IS NULL AND {within('ended_ns', wanted, chosen.values)} AND {chosen.sql}"
    found += _named(Walk(BY_START, "id, id", without, chosen.values), last)
    if last:
        former = f"filed IS NULL AND id <= {last} AND started_ns IS NOT NULL"
        former += f" AND {within('started_ns', wanted, chosen.values)} AND {chosen.sql}"
        found += _named(Walk("runs", "id, id", former, chosen.values), last)
    return Walks(found, jobs)


def _by_job(connection: "sqlite3.Connection", wanted: Wanted, jobs: dict[int, JobId]) -> list[Walk]:
    """Returns a way for each job, through its runs with a start that are in the index by job."""
    chosen = condition(Wanted(host=wanted.host, words=wanted.words))
    where = f"filed = 1 AND job_id = :job_id AND {chosen.sql}"
    since_ns = _LEAST if wanted.since_ns is None else wanted.since_ns - 1
    until_ns = _MOST if wanted.until_ns is None else wanted.until_ns - 1
    rows: int = connection.execute(_ROWS).fetchone()[0] or 0
    of_one = rows // max(1, len(jobs)) + 1
    return [
        Walk(
            *(BY_JOB, _BY_JOB, where, {**chosen.values, "job_id": job}),
            begin=(job, since_ns),
            end=(job, until_ns),
            is_short=of_one <= AT_ONCE and rows <= _PAGES * AT_ONCE,
        )
        for job in jobs
    ]


def _by_time(wanted: Wanted) -> list[Walk]:
    """Returns the ways by the times if an earliest one is given, else by the ids."""
    chosen = condition(wanted)
    if wanted.since_ns is None:
        until = within("ifnull(started_ns, ended_ns)", wanted, chosen.values)
        return [Walk("runs", "id, id", f"{until} AND {chosen.sql}", chosen.values)]
    both, bounds = halves(wanted)
    chosen.values.update(bounds)
    return [Walk("runs", f"{half.at}, id", f"{half.sql} AND {chosen.sql}", chosen.values) for half in both]


def _named(walk: Walk, last: int) -> list[Walk]:
    """Returns a way, and the same one through the runs that have no id of their job, if there may be any."""
    with_id = walk._replace(where=f"job_id IS NOT NULL AND {walk.where}")
    return [with_id, walk._replace(where=f"job_id IS NULL AND {walk.where}", job=BY_NAME)] if last else [with_id]
