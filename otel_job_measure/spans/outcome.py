"""From what ended a job to the outcome of its run."""

import sys

from otel_job_measure import names
from otel_job_measure.points.outcome import ENDED, Outcome


def outcome_of(error: BaseException | None, expected: tuple[type[BaseException], ...] = ()) -> Outcome:
    """Tells how a job ended that returned or raised.

    Args:
        error: What it raised; None where it returned.
        expected: Exceptions that are no failure of this job.

    Returns:
        The outcome, with the exception's type and text where the run failed.
    """
    if error is None or isinstance(error, expected) or _is_good_exit(error):
        return ENDED
    return Outcome(reason=_reason(error), error_type=type_name(type(error)), error_message=text_of(error))


def type_name(kind: type[BaseException]) -> str:
    """Names an exception's class as the semantic conventions do: qualified, those of Python plain."""
    module = kind.__module__
    return kind.__qualname__ if not module or module == "builtins" else f"{module}.{kind.__qualname__}"


def text_of(error: BaseException) -> str:
    """Gives an exception's text; its name where it has a `__str__` that fails."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the job's own code, which we run in its place
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
    """Returns the classes of cancellation; a library that nobody has loaded cannot have raised its own."""
    found = (getattr(sys.modules.get(module), "CancelledError", None) for module in ("asyncio", "concurrent.futures"))
    return tuple(kind for kind in found if kind is not None)
