"""What a row is as a log record of OpenTelemetry: made from its line alone, so that a line always gives one record."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from otel_job_measure import names
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.points.line_protocol import FieldValue, Point, parse

_NAMES: Final = {names.TAG_JOB: names.ATTR_NAME, names.FIELD_UUID: names.ATTR_RUN_ID}
"""What has another name among attributes than in a row, since spans have it too."""
_OWN_TAGS: Final = frozenset(
    {
        names.TAG_JOB,
        names.TAG_DATACENTER,
        names.TAG_PROJECT,
        names.TAG_STAGE,
        names.TAG_STATUS,
        names.TAG_REASON,
    }
)
_UID_DIGITS: Final = 32
_is_trace_id = re.compile("[0-9a-f]{32}").fullmatch
_is_span_id = re.compile("[0-9a-f]{16}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A log record.

    Args:
        time_ns: The row's time, in ns since 1970.
        event: The event's name.
        failed: Whether it tells of a run that failed.
        body: It in words, for people.
        attributes: Everything that the row has.
        trace_id: The trace of the run, 16 bytes; empty where it has none.
        span_id: Its span, 8 bytes; empty where it has none.
    """

    time_ns: int
    event: str
    failed: bool
    body: str
    attributes: Mapping[str, FieldValue]
    trace_id: bytes = b""
    span_id: bytes = b""


def record_of(line: bytes) -> Record:
    """Makes a record of a row.

    Args:
        line: The row's line, without its newline.

    Returns:
        The record.

    Raises:
        LineProtocolError: It is no line, or has no time that a record can have.
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
        prefix = names.ATTR_PREFIX if tag in _OWN_TAGS else names.ATTR_TAG_PREFIX
        attributes[_NAMES.get(tag, f"{prefix}{tag}")] = text
    for field, value in point.fields.items():
        attributes[_NAMES.get(field, f"{names.ATTR_PREFIX}{field}")] = value
    return attributes


def _words(point: Point, status: str) -> str:
    reason = point.tags.get(names.TAG_REASON)
    return f"{point.tags.get(names.TAG_JOB, names.UNNAMED)}: {status}" + (f" ({reason})" if reason else "")
