"""What a span's status says about its run."""

from collections.abc import Mapping, Sequence
from typing import cast

from opentelemetry.trace import Status, StatusCode

from otel_job_measure import names
from otel_job_measure.points.outcome import ENDED, Outcome

_REASONS = {
    "TimeoutError": names.REASON_TIMEOUT,
    "asyncio.exceptions.CancelledError": names.REASON_CANCELLED,
    "concurrent.futures._base.CancelledError": names.REASON_CANCELLED,
    "GeneratorExit": names.REASON_CANCELLED,
    "KeyboardInterrupt": names.REASON_SIGNAL,
    "SystemExit": names.REASON_EXIT,
}
_GOOD_EXITS = {"", "0", "None", "False"}  # SystemExit(0) and its like, as text


def error_said(span: object) -> Outcome | None:
    """Tells whether a span's status says that something went wrong.

    Args:
        span: A span of any kind, still open or not.

    Returns:
        The outcome that this means: of the exception that the status is about, where one was recorded on the span,
        else an `error` with the status's description. None where the status is another, or cannot be seen.
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
        reason=_REASONS.get(kind, names.REASON_ERROR),
        error_type=named or kind or None,
        error_message=message or description or None,
    )


def _exception(span: object, description: str) -> tuple[str, str]:
    """Returns type and text of the exception that a description is about; nothing where it is about something else."""
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
