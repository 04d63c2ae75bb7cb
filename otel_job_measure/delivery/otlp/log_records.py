"""Rows as OpenTelemetry log records, made from the line alone, so that a line always gives the same record."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

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
    """Returns the record of a row's line, without its newline.

    Raises:
        LineProtocolError: It is not line protocol, or has a time that a record cannot have.
    """
    point = parse(line)
    if point.time_ns is None or point.time_ns < 0:
        raise LineProtocolError(f"no time after 1970: {line[-40:]!r}")
    status = str(point.fields.get(names.FIELD_STATUS) or point.tags.get(names.TAG_STATUS, ""))
    trace_id, span_id = str(point.fields.get(names.FIELD_TRACE_ID)), str(point.fields.get(names.FIELD_SPAN_ID))
    traced = bool(_is_trace_id(trace_id) and _is_span_id(span_id))
    return Record(
        time_ns=point.time_ns,
        event=names.EVENT_RUN if point.measurement == names.RUNS else f"{names.ATTR_PREFIX}{status}",
        failed=status == names.STATUS_FAILED,
        body=_words(point, status),
        attributes=_attributes(point) | {names.ATTR_RECORD_UID: hashlib.sha256(line).hexdigest()[:_UID_DIGITS]},
        trace_id=bytes.fromhex(trace_id) if traced else b"",
        span_id=bytes.fromhex(span_id) if traced else b"",
    )


def _attributes(point: Point) -> dict[str, FieldValue]:
    attributes: dict[str, FieldValue] = {names.ATTR_MEASUREMENT: point.measurement}
    for tag, text in point.tags.items():
        attributes[_ATTRIBUTES[tag] if tag in TAG_NAMES else f"{names.ATTR_TAG_PREFIX}{tag}"] = text
    for field, value in point.fields.items():
        attributes[_ATTRIBUTES.get(field, f"{names.ATTR_PREFIX}{field}")] = value
    return attributes


def _words(point: Point, status: str) -> str:
    reason = point.tags.get(names.TAG_REASON)
    return f"{point.tags.get(names.TAG_JOB, names.UNNAMED)}: {status}" + (f" ({reason})" if reason else "")
