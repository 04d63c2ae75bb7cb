"""The rows of a run, as lines: one at its start, two at its end."""

import functools
import math
import re

from otel_job_measure import names
from otel_job_measure.points.escaping import escape_tag, quote
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.points.series import Series
from otel_job_measure.points.text import clean_field, clean_tag

_SURELY_SHORT = 256
_is_plain = re.compile(r"[0-9A-Za-z_.:-]{0,256}").fullmatch

# The pieces between the values, in InfluxDB's order of names. Each field brings the comma after it; the uuid is last.
_DURATION = f"{names.FIELD_DURATION}="
_ERROR_MESSAGE = f'{names.FIELD_ERROR_MESSAGE}="'
_ERROR_TYPE = f'{names.FIELD_ERROR_TYPE}="'
_HOST = f'{names.FIELD_HOST}="'
_SPAN_ID = f'{names.FIELD_SPAN_ID}="'
_SUCCESS, _NO_SUCCESS = f"{names.FIELD_SUCCESS}=1.0,", f"{names.FIELD_SUCCESS}=0.0,"
_TRACE_ID = f'{names.FIELD_TRACE_ID}="'
_UUID = f'{names.FIELD_UUID}="'
_REASON = f",{names.TAG_REASON}="
_REASON_TAGS = {reason: f"{_REASON}{reason}" for reason in names.REASONS}


def start_line(series: Series, uuid: str, time_ns: int) -> bytes:
    """Writes the row that says that a run has begun.

    Args:
        series: The job's.
        uuid: The run's id.
        time_ns: When, in nanoseconds since 1970.

    Returns:
        One line with its newline.
    """
    return f'{series.start}{_inside(uuid)}" {time_ns}\n'.encode()


def ending_lines(  # noqa: PLR0913 - what is known of an ending, each once
    series: Series,
    *,
    uuid: str,
    outcome: Outcome,
    end_ns: int,
    duration_s: float | None,
    host: str,
    trace_id: str | None,
    span_id: str | None,
    run_row: bool,
    error_message: bool,
) -> bytes:
    """Writes the rows that say that a run has ended, and how.

    Args:
        series: The job's.
        uuid: The run's id.
        outcome: How it ended.
        end_ns: When, in nanoseconds since 1970.
        duration_s: How long it took, by a monotonic clock; None where nobody knows.
        host: Where it ran.
        trace_id: Its trace's id in hex; None where there is none to be found.
        span_id: Its span's id in hex, or None.
        run_row: Whether to write the row of `scheduling-job-run` too, which then comes first.
        error_message: Whether the run row may hold the exception's text.

    Returns:
        One or two lines, each with its newline.
    """
    uuid_and_end = f'{_inside(uuid)}" {end_ns}\n'
    if outcome.reason is None:
        ending = f"{series.good_end}{uuid_and_end}"
    else:
        ending = f'{series.until_status}{names.STATUS_FAILED}",{_UUID}{uuid_and_end}'
    if not run_row:
        return ending.encode()
    duration = "" if duration_s is None or not math.isfinite(duration_s) else f"{_DURATION}{float(duration_s)!r},"
    span = "" if span_id is None else _field(_SPAN_ID, span_id)
    trace = "" if trace_id is None else _field(_TRACE_ID, trace_id)
    how = "" if outcome is ENDED else _why(outcome, message=error_message)
    if outcome.reason is None:
        head, success = series.good_run, _SUCCESS
    else:
        head, success = _failed_run(series, outcome.reason), _NO_SUCCESS
    return f"{head}{duration}{how}{_host(host)}{span}{success}{trace}{_UUID}{uuid_and_end}{ending}".encode()


def _failed_run(series: Series, reason: str) -> str:
    """Returns a run row up to its fields."""
    return (
        f"{series.run_until_reason}{_reason_tag(reason)}{series.run_after_reason}{names.STATUS_FAILED}"
        f"{series.run_after_status}"
    )


def _why(outcome: Outcome, *, message: bool) -> str:
    """Returns the fields about an error."""
    error_message = _field(_ERROR_MESSAGE, outcome.error_message) if message else ""
    return f"{error_message}{_field(_ERROR_TYPE, outcome.error_type)}"


def _field(start: str, text: str | None) -> str:
    """Returns a string field and the comma after it; nothing where there is nothing to say."""
    return f'{start}{_inside(text)}",' if text else ""


@functools.lru_cache(maxsize=64)
def _host(name: str) -> str:
    """Returns the field of a host: a process has one, an adopter those of others."""
    return _field(_HOST, name)


def _inside(text: str) -> str:
    """Returns what stands between the quotes of a string field; ids and hosts need no second look."""
    if (text.isalnum() and len(text) <= _SURELY_SHORT) or _is_plain(text):
        return text
    return quote(clean_field(text))[1:-1]


def _reason_tag(reason: str) -> str:
    # An unknown one can come from a rule of the user's own.
    return _REASON_TAGS.get(reason) or f"{_REASON}{escape_tag(clean_tag(reason or names.REASON_ERROR))}"
