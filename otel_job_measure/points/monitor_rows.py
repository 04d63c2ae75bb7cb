"""The monitor's rows as lines, and back.

One value always gives the same bytes, so that a row that several checkers write is one row.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from otel_job_measure import names
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.points.fields import MONITOR
from otel_job_measure.points.line_protocol import FieldValue, Point, encode
from otel_job_measure.points.monitor import Alive, Event, Expected, MonitorRow, Sender, State, job_of
from otel_job_measure.points.text import clean_field, clean_tag

_TYPES: Final = {"tag": str, "string": str, "float": float, "integer": int, "boolean": bool}
_BITS: Final = 64
_MAY_LACK: Final = {names.TAG_DATACENTER, names.TAG_PROJECT, names.TAG_STAGE, names.FIELD_DUE}
"""With the `uuid` of an event, what a row need not have."""


def line_of(row: MonitorRow) -> bytes:
    """Returns a row as a line, with its newline.

    Raises:
        LineProtocolError: A number does not fit into 64 bits.
    """
    match row:
        case Alive():
            point = _point_of_alive(row)
        case Event():
            point = _point_of_event(row)
        case State():
            point = _point_of_state(row)
        case Expected():
            point = _point_of_expected(row)
        case Sender():
            point = _point_of_sender(row)
    return encode(point) + b"\n"


def row_of(point: Point) -> MonitorRow | None:
    """Returns the row that a point is; None if it is of another measurement, or lacks a value or has a wrong one."""
    make = _MAKERS.get(point.measurement)
    if make is None or point.time_ns is None:
        return None
    values: dict[str, Any] = {}
    for column in MONITOR[point.measurement]:
        found = (point.tags if column.kind == "tag" else point.fields).get(column.name)
        may_lack = column.name in _MAY_LACK or (point.measurement, column.name) == (names.EVENTS, names.FIELD_UUID)
        if type(found) is not _TYPES[column.kind] and not (found is None and may_lack):
            return None
        values[column.name] = found
    return make(point.tags, point.time_ns, values)


def _point_of_alive(row: Alive) -> Point:
    fields = {names.FIELD_AGE: row.age_s, names.FIELD_INTERVAL: row.interval_s}
    texts = {names.FIELD_HOST: row.host, names.FIELD_UUID: row.uuid}
    return _point(names.ALIVE, row.tags, row.at_ns, texts, fields)


def _point_of_event(row: Event) -> Point:
    # `detail` is written even if it is empty: of a row that is written again, InfluxDB keeps what the new one lacks.
    texts = {names.FIELD_DETAIL: row.detail, names.FIELD_UUID: row.uuid}
    fields = {names.FIELD_DUE: row.due_ns, names.FIELD_WITHDRAWN: row.withdrawn}
    return _point(names.EVENTS, {**_tags(row.job), names.TAG_EVENT: row.event}, row.at_ns, texts, fields)


def _point_of_state(row: State) -> Point:
    fields = {names.FIELD_DUE: row.due_ns, names.FIELD_LEVEL: row.level, names.FIELD_SINCE: row.since_ns}
    return _point(names.STATES, _tags(row.job), row.at_ns, {names.FIELD_STATE: row.state}, fields)


def _point_of_expected(row: Expected) -> Point:
    # JSON must not be cut at 1 KiB; `json.dumps` makes it one line.
    fields: dict[str, FieldValue | None] = {names.FIELD_EXPECTED: row.text, names.FIELD_VERSION: row.version}
    return _point(names.EXPECTED, _tags(row.job), row.at_ns, {names.FIELD_SOURCE: row.source}, fields)


def _point_of_sender(row: Sender) -> Point:
    fields = {
        names.FIELD_COMPLETE_UNTIL: row.complete_until_ns,
        names.FIELD_LEFT: row.left,
        names.FIELD_PENDING: row.pending,
    }
    return _point(names.SENDERS, {names.TAG_HOST: row.host}, row.at_ns, {}, fields)


def _point(
    measurement: str,
    tags: Mapping[str, str],
    at_ns: int,
    texts: Mapping[str, str | None],
    fields: Mapping[str, FieldValue | None],
) -> Point:
    values: dict[str, FieldValue | None] = dict(fields)
    if any(type(value) is int and value.bit_length() >= _BITS for value in fields.values()):
        raise LineProtocolError(f"a number that InfluxDB's integers cannot hold: {dict(fields)!a}")
    values |= {name: None if text is None else clean_field(text) for name, text in texts.items()}
    return Point(
        measurement=measurement,
        tags={clean_tag(name): clean_tag(value) for name, value in tags.items() if value},
        fields={name: value for name, value in values.items() if value is not None},
        time_ns=at_ns,
    )


def _tags(job: JobId) -> dict[str, str]:
    return {names.TAG_JOB: job.job or names.UNNAMED, names.TAG_PROJECT: job.project, names.TAG_STAGE: job.stage}


def _alive(tags: Mapping[str, str], at_ns: int, values: Mapping[str, Any]) -> Alive:
    return Alive(
        tags=dict(tags),
        at_ns=at_ns,
        uuid=values[names.FIELD_UUID],
        host=values[names.FIELD_HOST],
        age_s=values[names.FIELD_AGE],
        interval_s=values[names.FIELD_INTERVAL],
    )


def _event(tags: Mapping[str, str], at_ns: int, values: Mapping[str, Any]) -> Event:
    return Event(
        job=job_of(tags),
        event=values[names.TAG_EVENT],
        at_ns=at_ns,
        due_ns=values[names.FIELD_DUE],
        uuid=values[names.FIELD_UUID],
        detail=values[names.FIELD_DETAIL],
        withdrawn=values[names.FIELD_WITHDRAWN],
    )


def _state(tags: Mapping[str, str], at_ns: int, values: Mapping[str, Any]) -> State:
    return State(
        job=job_of(tags),
        at_ns=at_ns,
        state=values[names.FIELD_STATE],
        level=values[names.FIELD_LEVEL],
        since_ns=values[names.FIELD_SINCE],
        due_ns=values[names.FIELD_DUE],
    )


def _expected(tags: Mapping[str, str], at_ns: int, values: Mapping[str, Any]) -> Expected:
    return Expected(
        job=job_of(tags),
        at_ns=at_ns,
        source=values[names.FIELD_SOURCE],
        version=values[names.FIELD_VERSION],
        text=values[names.FIELD_EXPECTED],
    )


def _sender(tags: Mapping[str, str], at_ns: int, values: Mapping[str, Any]) -> Sender:
    return Sender(
        host=tags[names.TAG_HOST],
        at_ns=at_ns,
        complete_until_ns=values[names.FIELD_COMPLETE_UNTIL],
        pending=values[names.FIELD_PENDING],
        left=values[names.FIELD_LEFT],
    )


_MAKERS: Final[dict[str, Callable[[Mapping[str, str], int, Mapping[str, Any]], MonitorRow]]] = {
    names.ALIVE: _alive,
    names.EVENTS: _event,
    names.STATES: _state,
    names.EXPECTED: _expected,
    names.SENDERS: _sender,
}
