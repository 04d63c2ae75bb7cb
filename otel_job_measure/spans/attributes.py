"""What a span of ours says about its run."""

import traceback

from opentelemetry.trace import Span, Status, StatusCode

from otel_job_measure import names
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.points.text import valid
from otel_job_measure.spans.outcome import text_of
from otel_job_measure.spans.run import Run
from otel_job_measure.spans.status import error_said

_LONGEST_CHAIN = 64  # a chain of exceptions may be a ring


def describe_end(span: Span, run: Run, outcome: Outcome, error: BaseException | None) -> None:
    """Says on a span how its run ended, as instrumentations do.

    Args:
        span: A span that records.
        run: Its run, settled.
        outcome: How the run ended.
        error: What the job raised, if anything.
    """
    # At once, since each call takes locks. The duration is by a monotonic clock: not quite the difference of the times.
    said: dict[str, str | float] = {} if run.duration_s is None else {names.ATTR_DURATION: run.duration_s}
    said[names.ATTR_STATUS] = outcome.status
    if outcome.reason is None:
        span.set_attributes(said)
        return
    said[names.ATTR_REASON] = outcome.reason
    if outcome.error_type is not None:
        said[names.ATTR_ERROR_TYPE] = valid(outcome.error_type)
    span.set_attributes(said)
    if error is None and error_said(span) is not None:
        return
    message = valid(outcome.error_message or "")
    span.set_status(Status(StatusCode.ERROR, message if error is None else f"{type(error).__name__}: {message}"))
    if isinstance(error, Exception):
        span.record_exception(error, _valid_event(error, message), timestamp=run.end_ns)


def _valid_event(error: Exception, message: str) -> dict[str, str] | None:
    """Returns what the event must say instead, where a text of an exception is no valid Unicode."""
    chain: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if chain is None:
            return None
        if valid(text := text_of(chain)) != text:
            break
        chain = chain.__cause__ or chain.__context__
    return {"exception.stacktrace": valid("".join(traceback.format_exception(error))), "exception.message": message}
