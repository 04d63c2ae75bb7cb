"""From an exception, or the status of a span, to the outcome of a run."""

from collections.abc import Mapping, Sequence
from typing import cast

from opentelemetry.trace import Status, StatusCode

from otel_job_measure import names
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.spans.reasons import NO_REASONS, Reasons, gravest, leaves, reason_of, reason_of_name, type_name

_GOOD_EXITS = {"", "0", "None", "False"}  # the text of SystemExit(0) and the like


def outcome_of(
    error: BaseException | None, expected: tuple[type[BaseException], ...] = (), reasons: Reasons = NO_REASONS
) -> Outcome:
    """Returns the outcome of a job that raised `error`, or returned if that is None; `expected` is no failure.

    A group of exceptions counts by its leaves, unless the user gave its class a reason.
    """
    if error is None or isinstance(error, expected):
        return ENDED
    failures = [leaf for leaf in leaves(error) if not (isinstance(leaf, expected) or _is_good_exit(leaf))]
    if not failures:
        return ENDED
    why = {reason_of(one, reasons) for one in ([error] if isinstance(error, tuple(reasons)) else failures)}
    return Outcome(reason=gravest(why), error_type=type_name(type(error)), error_message=text_of(error))


def text_of(error: BaseException) -> str:
    """Returns an exception's text, or its class's name if `str` fails."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the job's own code
        return type(error).__name__


def _is_good_exit(error: BaseException) -> bool:
    if not isinstance(error, SystemExit):
        return False
    return error.code is None or (isinstance(error.code, int) and error.code == 0)


def failure_of_span(span: object) -> Outcome | None:
    """Returns the failure that a span's status ERROR means; None if the status is another or cannot be read.

    If an exception that the status is about was recorded on the span, the outcome is the exception's.
    """
    status = getattr(span, "status", None)
    if not isinstance(status, Status) or status.status_code is not StatusCode.ERROR:
        return None
    description = status.description or ""
    kind, message = _exception(span, description)
    if kind == "SystemExit" and message in _GOOD_EXITS:
        return ENDED
    named = _text(getattr(span, "attributes", None), names.ATTR_ERROR_TYPE)
    return Outcome(
        reason=reason_of_name(kind),
        error_type=named or kind or None,
        error_message=message or description or None,
    )


def _exception(span: object, description: str) -> tuple[str, str]:
    """Returns type and text of the exception that a status description is about, or empty texts."""
    events: object = getattr(span, "events", None)
    for event in reversed(cast("Sequence[object]", events) if isinstance(events, Sequence) else ()):
        attributes: object = getattr(event, "attributes", None)
        kind, message = _text(attributes, "exception.type"), _text(attributes, "exception.message")
        if kind:
            about_it = description in {message, f"{kind.rpartition('.')[2]}: {message}"}
            return (kind, message) if about_it else ("", "")
    return "", ""


def _text(attributes: object, name: str) -> str:
    value = cast("Mapping[str, object]", attributes).get(name) if isinstance(attributes, Mapping) else None
    return value if isinstance(value, str) else ""
