"""The monitor's rows as lines, and back, both by the table of fields.

One value always gives the same bytes, so that a row that several checkers write is one row.
"""

from collections.abc import Mapping
from typing import Any, Final

from otel_job_measure import names
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.points.fields import KEY_TAGS, MONITOR
from otel_job_measure.points.line_protocol import Point, encode
from otel_job_measure.points.monitor import Alive, Event, Expected, MonitorRow, Sender, State, job_of
from otel_job_measure.points.text import clean_field, clean_tag

_KINDS: Final[Mapping[str, type[MonitorRow]]] = {
    names.ALIVE: Alive,
    names.EVENTS: Event,
    names.STATES: State,
    names.EXPECTED: Expected,
    names.SENDERS: Sender,
}
_MEASUREMENTS: Final = {kind: measurement for measurement, kind in _KINDS.items()}
_FIELDS: Final = {
    measurement: [(each.name, each.column) for each in columns if each.kind != "tag"]
    for measurement, columns in MONITOR.items()
}
_KEYS: Final = {each.name for each in KEY_TAGS}
_TYPES: Final = {"tag": str, "string": str, "float": float, "integer": int, "boolean": bool}
_BITS: Final = 64
_MAY_LACK: Final = {names.TAG_DATACENTER, names.TAG_PROJECT, names.TAG_STAGE, names.FIELD_DUE}
"""With the `uuid` of an event, what a row need not have."""


def line_of(row: MonitorRow) -> bytes:
    """Returns a row as a line, with its newline; raises a `LineProtocolError` if a number does not fit into 64 bits."""
    measurement = _MEASUREMENTS[type(row)]
    fields = {name: getattr(row, attribute) for name, attribute in _FIELDS[measurement]}
    if any(type(value) is int and value.bit_length() >= _BITS for value in fields.values()):
        raise LineProtocolError(f"a number that InfluxDB's integers cannot hold: {row!a:.1000}")
    point = Point(
        measurement=measurement,
        tags={clean_tag(name): clean_tag(value) for name, value in _tags_of(row).items() if value},
        # An empty `detail` is written: of a row that is written again, InfluxDB keeps what the new one lacks.
        fields={name: _cleaned(name, value) for name, value in fields.items() if value is not None},
        time_ns=row.at_ns,
    )
    return encode(point) + b"\n"


def row_of(point: Point) -> MonitorRow | None:
    """Returns the row that a point is; None if it is of another measurement, or lacks a value or has a wrong one."""
    kind = _KINDS.get(point.measurement)
    if kind is None or point.time_ns is None:
        return None
    values: dict[str, Any] = {"at_ns": point.time_ns}
    for column in MONITOR[point.measurement]:
        found = (point.tags if column.kind == "tag" else point.fields).get(column.name)
        may_lack = column.name in _MAY_LACK or (point.measurement, column.name) == (names.EVENTS, names.FIELD_UUID)
        if type(found) is not _TYPES[column.kind] and not (found is None and may_lack):
            return None
        if column.name not in _KEYS:
            values[column.column] = found
    if kind is Alive:
        values["tags"] = dict(point.tags)
    elif kind is not Sender:
        values["job"] = job_of(point.tags)
    return kind(**values)


def _tags_of(row: MonitorRow) -> Mapping[str, str]:
    match row:
        case Alive():
            return row.tags
        case Event():
            return {**_identity(row.job), names.TAG_EVENT: row.event}
        case State() | Expected():
            return _identity(row.job)
        case Sender():
            return {names.TAG_HOST: row.host}


def _identity(job: JobId) -> dict[str, str]:
    return {names.TAG_JOB: job.job or names.UNNAMED, names.TAG_PROJECT: job.project, names.TAG_STAGE: job.stage}


def _cleaned(name: str, value: Any) -> Any:  # noqa: ANN401 - of any field
    # JSON must not be cut at 1 KiB; `json.dumps` makes it one line.
    return clean_field(value) if isinstance(value, str) and name != names.FIELD_EXPECTED else value
