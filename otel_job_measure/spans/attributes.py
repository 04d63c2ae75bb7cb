"""Describes the end of a run on its span."""

import traceback

from opentelemetry.trace import Span, Status, StatusCode

from otel_job_measure import names
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.points.text import valid
from otel_job_measure.spans.outcome import failure_of_span, text_of
from otel_job_measure.spans.run import Run

_LONGEST_CHAIN = 64  # a chain of exceptions may be a ring


def describe_end(span: Span, run: Run, outcome: Outcome, error: BaseException | None) -> None:
    """Sets the attributes and the status of a recording span, and records the exception, as instrumentations do."""
    # In one call, since each takes locks.
    found: dict[str, str | float] = {} if run.duration_s is None else {names.ATTR_DURATION: run.duration_s}
    found[names.ATTR_STATUS] = outcome.status
    if outcome.reason is None:
        span.set_attributes(found)
        return
    found[names.ATTR_REASON] = outcome.reason
    if outcome.error_type is not None:
        found[names.ATTR_ERROR_TYPE] = valid(outcome.error_type)
    span.set_attributes(found)
    if error is None and failure_of_span(span) is not None:
        return
    message = valid(outcome.error_message or "")
    span.set_status(Status(StatusCode.ERROR, message if error is None else f"{type(error).__name__}: {message}"))
    if isinstance(error, Exception):
        span.record_exception(error, _valid_event(error, message), timestamp=run.end_ns)


def _valid_event(error: Exception, message: str) -> dict[str, str] | None:
    """Returns the attributes of the event for an exception whose text is not valid Unicode, else None."""
    chain: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if chain is None:
            return None
        if valid(text := text_of(chain)) != text:
            break
        chain = chain.__cause__ or chain.__context__
    return {"exception.stacktrace": valid("".join(traceback.format_exception(error))), "exception.message": message}
