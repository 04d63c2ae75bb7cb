"""From an exception, or the status of a span, to the outcome of a run."""

import sys
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
_GOOD_EXITS = {"", "0", "None", "False"}  # the text of SystemExit(0) and the like


def outcome_of(error: BaseException | None, expected: tuple[type[BaseException], ...] = ()) -> Outcome:
    """Returns the outcome of a job that raised `error`, or returned if that is None; `expected` is no failure."""
    if error is None or isinstance(error, expected) or _is_good_exit(error):
        return ENDED
    return Outcome(reason=_reason(error), error_type=type_name(type(error)), error_message=text_of(error))


def type_name(kind: type[BaseException]) -> str:
    """Returns a class's name as the semantic conventions want it: qualified, without `builtins`."""
    module = kind.__module__
    return kind.__qualname__ if not module or module == "builtins" else f"{module}.{kind.__qualname__}"


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


def _reason(error: BaseException) -> str:
    match error:
        case SystemExit():
            return names.REASON_EXIT
        case KeyboardInterrupt():
            return names.REASON_SIGNAL
        case TimeoutError():
            return names.REASON_TIMEOUT
        case GeneratorExit():
            return names.REASON_CANCELLED
        case _ if isinstance(error, _cancelled_errors()):
            return names.REASON_CANCELLED
        case _:
            return names.REASON_ERROR


def _cancelled_errors() -> tuple[type[BaseException], ...]:
    """Returns the classes of cancellation; a library that is not loaded cannot have raised its own."""
    found = (getattr(sys.modules.get(module), "CancelledError", None) for module in ("asyncio", "concurrent.futures"))
    return tuple(kind for kind in found if kind is not None)


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
        reason=_REASONS.get(kind, names.REASON_ERROR),
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
