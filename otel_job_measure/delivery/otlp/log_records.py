"""Rows as OpenTelemetry log records, made from the line alone, so that a line always gives the same record."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # it has stubs, and no marker
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # the same
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otel_job_measure import names
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.points.fields import RUN_FIELDS, RUN_TAGS, TAG_NAMES
from otel_job_measure.points.line_protocol import FieldValue, Point, parse

_ATTRIBUTES: Final = {each.name: each.attribute for each in (*RUN_TAGS, *RUN_FIELDS)}
_UID_DIGITS: Final = 32
_is_trace_id = re.compile("[0-9a-f]{32}").fullmatch
_is_span_id = re.compile("[0-9a-f]{16}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A log record."""

    time_ns: int
    """The row's time, in ns since 1970."""
    event: str
    """The event's name."""
    failed: bool
    """Whether the row tells of a failure."""
    body: str
    """The row in words."""
    attributes: Mapping[str, FieldValue]
    trace_id: bytes = b""
    """16 bytes; empty if the run has no trace."""
    span_id: bytes = b""
    """8 bytes; empty if the run has no trace."""


def record_of(line: bytes) -> Record:
    """Returns the record of a row's line; raises `LineProtocolError` if it is none or has no time after 1970."""
    point = parse(line)
    if point.time_ns is None or point.time_ns < 0:
        raise LineProtocolError(f"no time after 1970: {line[-40:]!r}")
    status = _status(point)
    trace_id, span_id = str(point.fields.get(names.FIELD_TRACE_ID)), str(point.fields.get(names.FIELD_SPAN_ID))
    traced = bool(_is_trace_id(trace_id) and _is_span_id(span_id))
    return Record(
        time_ns=point.time_ns,
        event=_event(point, status),
        failed=status == names.STATUS_FAILED,
        body=_words(point, status),
        attributes=_attributes(point) | {names.ATTR_RECORD_UID: hashlib.sha256(line).hexdigest()[:_UID_DIGITS]},
        trace_id=bytes.fromhex(trace_id) if traced else b"",
        span_id=bytes.fromhex(span_id) if traced else b"",
    )


def _status(point: Point) -> str:
    """Returns the status of a run, and of other rows what they are about."""
    if point.measurement in names.MONITOR:
        kind = point.measurement.removeprefix(f"{names.POINTS}-")
        return str(point.tags.get(names.TAG_EVENT) or point.fields.get(names.FIELD_STATE) or kind)
    return str(point.fields.get(names.FIELD_STATUS) or point.tags.get(names.TAG_STATUS, ""))


def _event(point: Point, status: str) -> str:
    if point.measurement in names.MONITOR:
        return names.ATTR_PREFIX + point.measurement.removeprefix(f"{names.POINTS}-")
    return names.EVENT_RUN if point.measurement == names.RUNS else f"{names.ATTR_PREFIX}{status}"


def _attributes(point: Point) -> dict[str, FieldValue]:
    attributes: dict[str, FieldValue] = {names.ATTR_MEASUREMENT: point.measurement}
    for tag, text in point.tags.items():
        attributes[_ATTRIBUTES[tag] if tag in TAG_NAMES else f"{names.ATTR_TAG_PREFIX}{tag}"] = text
    for field, value in point.fields.items():
        attributes[_ATTRIBUTES.get(field, f"{names.ATTR_PREFIX}{field}")] = value
    return attributes


def _words(point: Point, status: str) -> str:
    reason = point.tags.get(names.TAG_REASON)
    about = point.tags.get(names.TAG_JOB) or point.tags.get(names.TAG_HOST) or names.UNNAMED
    return f"{about}: {status}" + (f" ({reason})" if reason else "")


class NoMessageError(ValueError):
    """An answer that is no OTLP message."""


_SAMPLED: Final = 1  # only sampled spans have their ids in a row


def encode(records: Sequence[Record]) -> bytes:
    """Returns a request with records in this order."""
    scope = ScopeLogs(scope=InstrumentationScope(name=names.SCOPE), log_records=map(_log_record, records))
    request = ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=Resource(), scope_logs=[scope])])
    return request.SerializeToString()


def decode_success(body: bytes) -> tuple[int, str]:
    """Returns the number of rejected records and the receiver's message; raises `NoMessageError`."""
    try:
        partial = ExportLogsServiceResponse.FromString(body).partial_success
    except DecodeError as error:
        raise NoMessageError(str(error)) from error
    return partial.rejected_log_records, partial.error_message


def message_of(body: bytes) -> str:
    """Returns the text of an error: the message of a `Status`, or the body itself."""
    try:
        return str(Status.FromString(body).message)
    except DecodeError:
        return body.decode(errors="replace")


def retry_delay_s(status: bytes) -> float | None:
    """Returns the seconds that a `Status` asks to wait, if it does."""
    try:
        details = Status.FromString(status).details
        info = RetryInfo()
        if not any(detail.Unpack(info) for detail in details):
            return None
    except DecodeError:
        return None
    delay_s = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
    return delay_s if delay_s > 0 else None


def _log_record(record: Record) -> LogRecord:
    return LogRecord(
        time_unix_nano=record.time_ns,
        observed_time_unix_nano=record.time_ns,
        severity_number=SeverityNumber.SEVERITY_NUMBER_ERROR if record.failed else SeverityNumber.SEVERITY_NUMBER_INFO,
        severity_text="ERROR" if record.failed else "INFO",
        event_name=record.event,
        body=AnyValue(string_value=record.body),
        attributes=[KeyValue(key=key, value=_any_value(value)) for key, value in record.attributes.items()],
        trace_id=record.trace_id,
        span_id=record.span_id,
        flags=_SAMPLED if record.trace_id else 0,
    )


def _any_value(value: FieldValue) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case str():
            return AnyValue(string_value=value)
        case int():
            return AnyValue(int_value=value)
        case _:
            return AnyValue(double_value=value)
