"""Each job's last run and last success, whatever the retention.

The ingest notes them in `last_runs`, and pruning leaves the runs that are noted. A note can be wrong for a while: the
start of a run can come after its end and move the run back, and a clock can have been ahead. Then the question looks
through all runs of such a job.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.history.conditions import condition
from otel_job_measure.history.rows import SELECT, records
from otel_job_measure.history.run_record import Run, RunRecord
from otel_job_measure.history.wanted import Wanted

if TYPE_CHECKING:
    import sqlite3

Job = tuple[str, str, str]
"""Name, project and stage; empty if the run has none."""
_RUN: Final = "run"
_SUCCESS: Final = "success"

_NOTE: Final = """
INSERT INTO last_runs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at_ns = excluded.at_ns, uuid = excluded.uuid
WHERE (excluded.at_ns <= ?7, excluded.at_ns) > (at_ns <= ?7, at_ns)
"""
_NOTED: Final = "SELECT job, project, stage, what, at_ns, uuid FROM last_runs WHERE {} ORDER BY job, project, stage"
_OF_NOTE: Final = f"""
{SELECT} WHERE started_ns = :at AND uuid = :uuid AND job = :job
UNION ALL {SELECT} WHERE started_ns IS NULL AND ended_ns = :at AND uuid = :uuid AND job = :job
"""
_SEARCHED: Final = """
SELECT max(at_ns) AS at_ns, uuid, job FROM (
    SELECT ifnull(started_ns, ended_ns) AS at_ns, uuid, job FROM runs
    WHERE job = ? AND project IS ? AND stage IS ? AND (? OR status = ?)
) GROUP BY at_ns > ? ORDER BY 1 LIMIT 1
"""


class LastRun(NamedTuple):
    """A job's last run and its last success."""

    job: Job
    run: RunRecord
    success: RunRecord | None


def note(connection: "sqlite3.Connection", runs: Iterable[Run], now_ns: int) -> None:
    """Notes each job's last run and last success. A time of the future counts only if there is no other."""
    last: dict[tuple[str, str, str, str], tuple[bool, int, str]] = {}
    for run in runs:
        ending = run.ranked()[0].ending if run.endings else None
        at_ns = ending.end_ns if run.started_ns is None and ending else run.started_ns
        if at_ns is None:
            continue
        found = (at_ns <= now_ns, at_ns, run.uuid)
        job = (run.key.job, run.key.project or "", run.key.stage or "")
        for what in (_RUN, _SUCCESS) if ending is not None and ending.outcome.success else (_RUN,):
            last[(*job, what)] = max(found, last.get((*job, what), found))
    connection.executemany(_NOTE, [(*place, at_ns, uuid, now_ns) for place, (_, at_ns, uuid) in last.items()])


def last_runs(connection: "sqlite3.Connection", wanted: Wanted, now_ns: int) -> Iterator[LastRun]:
    """Yields the last runs of the jobs whose name, project and stage are wanted, in the order of the jobs."""
    chosen = condition(Wanted(job=wanted.job, exact=wanted.exact))
    notes: dict[Job, dict[str, tuple[int, str]]] = {}
    for job, project, stage, what, at_ns, uuid in connection.execute(_NOTED.format(chosen.sql), chosen.values):
        if wanted.project in {None, project} and wanted.stage in {None, stage}:
            notes.setdefault((job, project, stage), {})[what] = (at_ns, uuid)
    for place, noted in notes.items():
        run = _found(connection, place, _RUN, noted, now_ns)
        if run is None:
            continue
        success = None
        if _SUCCESS in noted:
            is_same = noted[_SUCCESS] == noted[_RUN] and run.status == names.STATUS_END
            success = run if is_same else _found(connection, place, _SUCCESS, noted, now_ns)
        yield LastRun(place, run, success)


def _found(
    connection: "sqlite3.Connection", job: Job, what: str, noted: dict[str, tuple[int, str]], now_ns: int
) -> RunRecord | None:
    """Returns the run of a note; if the note is wrong, the right one."""
    place = noted.get(what)
    run = None if place is None or place[0] > now_ns else _run_at(connection, job, *place, what)
    if run is not None:
        return run
    is_any = what == _RUN
    values = (job[0], job[1] or None, job[2] or None, is_any, names.STATUS_END, now_ns)
    searched = connection.execute(_SEARCHED, values).fetchone()
    return None if searched is None else _run_at(connection, job, searched[0], searched[1], what)


def _run_at(connection: "sqlite3.Connection", job: Job, at_ns: int, uuid: str, what: str) -> RunRecord | None:
    rows = connection.execute(_OF_NOTE, {"at": at_ns, "uuid": uuid, "job": job[0]})
    return next(
        (
            run
            for run in records(rows)
            if (run.job, run.project or "", run.stage or "") == job and (what == _RUN or run.status == names.STATUS_END)
        ),
        None,
    )
