"""Puts the runs of a file of a former version into the index by job.

An index of a million runs takes seconds to make, and a transaction may take milliseconds. So an upgrade makes the index
without any run, and notes up to which row id runs are not in it. Each ingest then files some, the newest first. Until
all are filed, questions read the others as former versions did.
"""

from typing import TYPE_CHECKING, Final

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history import jobs

if TYPE_CHECKING:
    import sqlite3

_AT_ONCE: Final = 200
_NOTE: Final = "SELECT run_id FROM pruning WHERE what = 'unfiled'"
_NEXT: Final = """
SELECT id, job, project, stage FROM runs WHERE id <= ? AND filed IS NULL ORDER BY id DESC LIMIT ?
"""


def unfiled(connection: "sqlite3.Connection") -> int:
    """Returns up to which row id runs may not be in the index by job; 0 if all are."""
    found = connection.execute(_NOTE).fetchone()
    return found[0] if found is not None and type(found[0]) is int else 0


def file_some(connection: "sqlite3.Connection") -> bool:
    """Files the next runs; returns whether there may be more."""
    last = unfiled(connection)
    found = connection.execute(_NEXT, (last, _AT_ONCE)).fetchall() if last else []
    of = {row_id: JobId(job, project or "", stage or "") for row_id, job, project, stage in found}
    ids = jobs.ids_of(connection, set(of.values()))
    connection.executemany(
        "UPDATE runs SET job_id = ?, filed = 1 WHERE id = ?", [(ids[job], row_id) for row_id, job in of.items()]
    )
    if len(found) == _AT_ONCE:
        connection.execute("UPDATE pruning SET run_id = ? WHERE what = 'unfiled'", (found[-1][0] - 1,))
        return True
    connection.execute("DELETE FROM pruning WHERE what = 'unfiled'")
    return False
