"""What people ask of the history."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_job_measure import names

if TYPE_CHECKING:
    import sqlite3

RUNNING: Final = "running"
"""What people call a run whose rows say `start` and nothing else."""

WORDS: Final = (RUNNING, names.STATUS_END, names.STATUS_FAILED, *names.REASONS)
"""What a run can be asked for by: how it is, and why it failed."""

_EVER: Final = -(2**63)
_COLUMNS: Final = (
    "uuid, job, datacenter, project, stage, tags, started_ns, ended_ns, status, reason, duration_s, host, trace_id, "
    "span_id, error_type, error_message"
)
# Each half comes from an index, newest first. A run whose start is not known counts from its end.
_LATEST: Final = """
SELECT {columns} FROM (
    SELECT * FROM (
        SELECT *, started_ns AS at_ns FROM runs
        WHERE started_ns >= :since AND {wanted} ORDER BY started_ns DESC, id DESC LIMIT :limit
    )
    UNION ALL
    SELECT * FROM (
        SELECT *, ended_ns AS at_ns FROM runs
        WHERE started_ns IS NULL AND ended_ns >= :since AND {wanted} ORDER BY ended_ns DESC, id DESC LIMIT :limit
    )
)
ORDER BY at_ns DESC, uuid LIMIT :limit
"""


class RunRecord(NamedTuple):
    """A run as the history has it.

    Args:
        uuid: Its id.
        job: The job's name.
        datacenter: A default tag, or None.
        project: A default tag, or None.
        stage: A default tag, or None.
        tags: The further tags.
        started_ns: When it began, in ns since 1970; None where that is not known.
        ended_ns: When it ended; None while it is open.
        status: `running`, `end` or `failed`.
        reason: Why it failed; None for others, and where only the old row was written.
        duration_s: How long it took, in seconds: as it was measured, else what lies between start and end; None for
            one that was lost, whose end nobody saw.
        host: Where it ran.
        trace_id: Its trace, in hex.
        span_id: Its span, in hex.
        error_type: The class of the exception.
        error_message: The exception's text, where that was asked for.
    """

    uuid: str
    job: str
    datacenter: str | None
    project: str | None
    stage: str | None
    tags: Mapping[str, str]
    started_ns: int | None
    ended_ns: int | None
    status: str
    reason: str | None
    duration_s: float | None
    host: str | None
    trace_id: str | None
    span_id: str | None
    error_type: str | None
    error_message: str | None


def latest(
    connection: "sqlite3.Connection",
    *,
    job: str | None = None,
    words: Sequence[str] = (),
    since_ns: int | None = None,
    limit: int,
) -> list[RunRecord]:
    """Finds the latest runs.

    Args:
        connection: In a transaction.
        job: Only runs of this job.
        words: Only runs that one of these says something of: a status or a reason, see `WORDS`.
        since_ns: Only runs that began then or later.
        limit: How many at most.

    Returns:
        The runs, the newest first.
    """
    wanted, values = _wanted(job, words)
    values |= {"since": _EVER if since_ns is None else since_ns, "limit": limit}
    return [_recorded(*row) for row in connection.execute(_LATEST.format(columns=_COLUMNS, wanted=wanted), values)]


def _wanted(job: str | None, words: Sequence[str]) -> tuple[str, dict[str, object]]:
    """Returns what is asked of each run, in plain comparisons: a million may be looked at to find a few."""
    values: dict[str, object] = {
        f"word{number}": names.STATUS_START if word == RUNNING else word for number, word in enumerate(words)
    }
    some = ", ".join(f":{name}" for name in values)
    conditions = [f"(status IN ({some}) OR reason IN ({some}))"] if words else []
    if job is not None:
        values["job"] = job
        conditions.append("job = :job")
    return " AND ".join(conditions) or "TRUE", values


def _recorded(*row: Any) -> RunRecord:  # noqa: ANN401 - what SQLite gives has no types
    uuid, job, datacenter, project, stage, tags, started_ns, ended_ns, status, reason, duration_s, *details = row
    if duration_s is None and None not in (started_ns, ended_ns) and reason != names.REASON_LOST:
        duration_s = (ended_ns - started_ns) / 1e9
    host, trace_id, span_id, error_type, error_message = details
    return RunRecord(
        uuid=uuid,
        job=job,
        datacenter=datacenter,
        project=project,
        stage=stage,
        tags=json.loads(tags),
        started_ns=started_ns,
        ended_ns=ended_ns,
        status=RUNNING if status == names.STATUS_START else status,
        reason=reason,
        duration_s=duration_s,
        host=host,
        trace_id=trace_id,
        span_id=span_id,
        error_type=error_type,
        error_message=error_message,
    )
