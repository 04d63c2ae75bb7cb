"""Each job's last run and last success, whatever the retention.

The ingest notes them in `last_runs`, and pruning leaves the runs that are noted. A note can be wrong for a while: the
start of a run can come after its end and move the run back, and a clock can have been ahead. Then the question looks
through all runs of such a job.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.conditions import condition
from otel_job_measure.history.filing import unfiled
from otel_job_measure.history.parts import BY_JOB
from otel_job_measure.history.records import records
from otel_job_measure.history.rows import SELECT
from otel_job_measure.history.run_order import oldest
from otel_job_measure.history.run_record import Run, RunRecord
from otel_job_measure.history.wanted import Wanted

if TYPE_CHECKING:
    import sqlite3

FIRST: Final = JobId("")
"""Comes before all jobs."""
_Place = tuple[int, str]
"""When a run started, or ended if the start is unknown; and its uuid."""
_Noted = dict[str, _Place]
"""What is noted of a job: its last run and its last success."""
_Of = tuple[JobId, _Place]
_EVER: Final = 2**63 - 1
_SOON_NS: Final = 86_400 * 10**9
"""A note that is so far ahead comes true soon: the clock was set back since, by an hour perhaps."""
_RUN: Final = "run"
_SUCCESS: Final = "success"

_NOTE: Final = """
INSERT INTO last_runs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at_ns = excluded.at_ns, uuid = excluded.uuid
WHERE (excluded.at_ns <= ?7, excluded.at_ns) > (at_ns <= ?7, at_ns)
"""
_NOTED: Final = """
SELECT job, project, stage, what, at_ns, uuid FROM last_runs
WHERE {} AND (job, project, stage) > (:after_job, :after_project, :after_stage)
ORDER BY job, project, stage LIMIT :limit
"""
_STARTED_AT: Final = f"{SELECT} WHERE started_ns IN ({{}}) LIMIT {{}}"
_ENDED_AT: Final = f"{SELECT} WHERE started_ns IS NULL AND ended_ns IN ({{}}) LIMIT {{}}"
_AT_ONCE: Final = 500
_MOST_ALIKE: Final = 10
"""How many runs may share a time on average; a foreign file may have any number."""
_SEARCHED: Final = """
SELECT max(at_ns) AS at_ns, uuid, job FROM (
    SELECT ifnull(started_ns, ended_ns) AS at_ns, uuid, job FROM {} AND (?4 OR status = ?5)
) GROUP BY at_ns > ?6 ORDER BY 1 LIMIT 1
"""
_OF_JOB: Final = (
    f"{BY_JOB} WHERE filed = 1 AND job_id = (SELECT id FROM jobs WHERE (job, project, stage) = (?1, ?2, ?3))"  # noqa: S608 - constant
)
_NEWEST: Final = f"""
SELECT max(at_ns), uuid FROM (
    SELECT * FROM (
        SELECT started_ns AS at_ns, uuid FROM {_OF_JOB} AND started_ns <= ?6 AND (?4 OR status = ?5)
        ORDER BY started_ns DESC, uuid DESC LIMIT 1
    ) UNION ALL SELECT * FROM (
        SELECT ended_ns AS at_ns, uuid FROM {_OF_JOB} AND started_ns IS NULL AND ended_ns <= ?6 AND (?4 OR status = ?5)
        ORDER BY ended_ns DESC, uuid DESC LIMIT 1
    )
)
"""  # noqa: S608 - constant
"""Of the end of a job's part of the index: if the clock was set back by an hour, all jobs are searched."""
_BY_NAME: Final = "runs WHERE job = ?1 AND ifnull(project, '') = ?2 AND ifnull(stage, '') = ?3"
"""While runs of a former version may not be in the index by job."""


class LastRun(NamedTuple):
    """A job's last run and its last success."""

    job: JobId
    run: RunRecord
    success: RunRecord | None


def note(connection: "sqlite3.Connection", runs: Iterable[Run], now_ns: int) -> None:
    """Notes each job's last run and last success. A time of the far future counts only if there is no other."""
    soon_ns = now_ns + _SOON_NS
    last: dict[tuple[str, str, str, str], tuple[bool, int, str]] = {}
    for run in runs:
        ending = run.ranked()[0].ending if run.endings else None
        at_ns = ending.end_ns if run.started_ns is None and ending else run.started_ns
        if at_ns is None:
            continue
        found = (at_ns <= soon_ns, at_ns, run.uuid)
        job = (run.key.job, run.key.project or "", run.key.stage or "")
        for what in (_RUN, _SUCCESS) if ending is not None and ending.outcome.success else (_RUN,):
            last[(*job, what)] = max(found, last.get((*job, what), found))
    connection.executemany(_NOTE, [(*place, at_ns, uuid, soon_ns) for place, (_, at_ns, uuid) in last.items()])


class Page(NamedTuple):
    """The last runs of some jobs."""

    found: list[LastRun]
    last: JobId | None
    """The last job that was looked at, after which the next page begins; None if there are no more."""


def last_runs(connection: "sqlite3.Connection", wanted: Wanted, now_ns: int) -> Iterator[LastRun]:
    """Yields the last runs of the jobs whose name, project and stage are wanted, in the order of the jobs."""
    after: JobId | None = FIRST
    while after is not None:
        found, after = page_after(connection, wanted, now_ns, after)
        yield from found


def page_after(connection: "sqlite3.Connection", wanted: Wanted, now_ns: int, after: JobId) -> Page:
    """Returns the last runs of the next jobs."""
    notes = _notes(connection, wanted, after)
    at_places = _runs_at(connection, {place for noted in notes.values() for place in noted.values()}, now_ns)
    found: list[LastRun] = []
    for job, noted in notes.items():
        run = _found(connection, job, _RUN, noted, at_places, now_ns)
        if run is not None:
            success = _found(connection, job, _SUCCESS, noted, at_places, now_ns) if _SUCCESS in noted else None
            found.append(LastRun(job, run, success))
    return Page(found, max(notes, default=None))


def _notes(connection: "sqlite3.Connection", wanted: Wanted, after: JobId) -> dict[JobId, _Noted]:
    """Returns what is noted of the next jobs."""
    chosen = condition(wanted.of_jobs(), none="")
    place = {"after_job": after.job, "after_project": after.project, "after_stage": after.stage}
    values = {**chosen.values, **place, "limit": 2 * _AT_ONCE}
    notes: dict[JobId, _Noted] = {}
    for job, project, stage, what, at_ns, uuid in connection.execute(_NOTED.format(chosen.sql), values):
        notes.setdefault(JobId(job, project, stage), {})[what] = (at_ns, uuid)
    if sum(map(len, notes.values())) == 2 * _AT_ONCE:
        notes.popitem()  # the limit may have cut its notes in two
    return notes


def _runs_at(connection: "sqlite3.Connection", places: set[_Place], now_ns: int) -> dict[_Of, RunRecord]:
    """Returns the runs of notes that are not of the future, by their jobs and places."""
    left = {place for place in places if place[0] <= now_ns}
    found: dict[_Of, RunRecord] = {}
    for query in (_STARTED_AT, _ENDED_AT):
        ordered = sorted(left)
        for at in range(0, len(ordered), _AT_ONCE):
            times = [at_ns for at_ns, _ in ordered[at : at + _AT_ONCE]]
            rows = connection.execute(query.format(", ".join("?" * len(times)), _MOST_ALIKE * _AT_ONCE), times)
            for run in records(rows):
                if (place := oldest(run)) in places:
                    found[run.job_id, place] = run
                    left.discard(place)
    return found


def _found(  # noqa: PLR0913, PLR0917 - a note and where it may be found
    connection: "sqlite3.Connection", job: JobId, what: str, noted: _Noted, runs: Mapping[_Of, RunRecord], now_ns: int
) -> RunRecord | None:
    """Returns the run of a note; if the note is wrong, the right one."""
    run = runs.get((job, noted[what])) if what in noted else None
    if run is not None and _fits(run, what):
        return run
    place = _searched(connection, (*job, what == _RUN, names.STATUS_END, now_ns))
    if place is None:
        return None
    run = _runs_at(connection, {place}, _EVER).get((job, place))
    return run if run is not None and _fits(run, what) else None


def _searched(connection: "sqlite3.Connection", values: Sequence[object]) -> _Place | None:
    """Returns the place of the newest run or success of a job; one of the future only if there is no other."""
    queries = [_SEARCHED.format(_BY_NAME)] if unfiled(connection) else [_NEWEST, _SEARCHED.format(_OF_JOB)]
    rows = (connection.execute(query, values).fetchone() for query in queries)
    return next(((row[0], row[1]) for row in rows if row is not None and row[0] is not None), None)


def _fits(run: RunRecord, what: str) -> bool:
    return what == _RUN or run.status == names.STATUS_END
