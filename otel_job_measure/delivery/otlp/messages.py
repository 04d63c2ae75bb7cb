"""The messages of OTLP, from records to bytes and back from an answer."""

from collections.abc import Sequence
from typing import Final

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # it has stubs, and no marker
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # the same
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otel_job_measure import names
from otel_job_measure.delivery.otlp.log_records import Record
from otel_job_measure.points.line_protocol import FieldValue

_SAMPLED: Final = 1  # only sampled spans have their ids in a row


class NoMessageError(ValueError):
    """What came is no message of OTLP."""


def encode(records: Sequence[Record]) -> bytes:
    """Writes a request.

    Args:
        records: What it holds, in this order.
    """
    scope = ScopeLogs(scope=InstrumentationScope(name=names.SCOPE), log_records=map(_log_record, records))
    request = ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=Resource(), scope_logs=[scope])])
    return request.SerializeToString()


def decode_success(body: bytes) -> tuple[int, str]:
    """Reads the answer to a request.

    Args:
        body: The answer.

    Returns:
        How many records were rejected, and what the receiver says besides.

    Raises:
        NoMessageError: It is no such answer.
    """
    try:
        partial = ExportLogsServiceResponse.FromString(body).partial_success
    except DecodeError as error:
        raise NoMessageError(str(error)) from error
    return partial.rejected_log_records, partial.error_message


def message_of(body: bytes) -> str:
    """Returns what an error says: the message of a `Status`, or the body itself where it is none."""
    try:
        return str(Status.FromString(body).message)
    except DecodeError:
        return body.decode(errors="replace")


def retry_delay_s(status: bytes) -> float | None:
    """Returns how long a `Status` asks to wait, in seconds; None where it doesn't."""
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
