"""Rows of the history as people want to know their runs.

A row has the run's truest ending in its columns, so its record is made of them, without the run and its endings. That
takes a third of the time, and answers have thousands of rows.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from otel_job_measure.history.rows import COLUMNS, Row, sound
from otel_job_measure.history.run_record import VALUES, RunRecord, as_told

_FIRST: Final = COLUMNS.index("started_ns")
_VALUES: Final = slice(COLUMNS.index(VALUES[0].column), COLUMNS.index(VALUES[-1].column) + 1)
_NAMES: Final = tuple(each.column for each in VALUES)


def records(rows: Iterable[Row]) -> list[RunRecord]:
    """Returns what people want to know of the runs of rows."""
    return [_record(row) for row in sound(rows)]


def _record(row: Row) -> RunRecord:
    _, job, datacenter, project, stage, tags, uuid = row[:7]
    started_ns, ended_ns, status, reason = row[_FIRST : _FIRST + 4]
    values: dict[str, Any] = dict(zip(_NAMES, row[_VALUES], strict=True))
    status, reason, duration_s = as_told(started_ns, ended_ns, status, reason, values["duration_s"])
    values = {"host": values["host"]} if ended_ns is None else values | {"duration_s": duration_s}
    return RunRecord(
        uuid=uuid,
        job=job,
        datacenter=datacenter,
        project=project,
        stage=stage,
        tags={} if tags == "{}" else json.loads(tags),
        started_ns=started_ns,
        ended_ns=ended_ns,
        status=status,
        reason=reason,
        **values,
    )
