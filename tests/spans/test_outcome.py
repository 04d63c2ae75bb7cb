import asyncio
import concurrent.futures

import pytest

from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.spans.outcome import outcome_of


class JobError(Exception):
    pass


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "reason", "error_type", "message"),
    [
        (ValueError("no"), "error", "ValueError", "no"),
        (JobError("x"), "error", f"{__name__}.JobError", "x"),
        (SpeechlessError(), "error", f"{__name__}.SpeechlessError", "SpeechlessError"),
        (TimeoutError(), "timeout", "TimeoutError", ""),
        (concurrent.futures.TimeoutError(), "timeout", "TimeoutError", ""),
        (asyncio.CancelledError(), "cancelled", "asyncio.exceptions.CancelledError", ""),
        (concurrent.futures.CancelledError(), "cancelled", "concurrent.futures._base.CancelledError", ""),
        (GeneratorExit(), "cancelled", "GeneratorExit", ""),
        (KeyboardInterrupt(), "signal", "KeyboardInterrupt", ""),
        (SystemExit(3), "exit", "SystemExit", "3"),
        (SystemExit("bye"), "exit", "SystemExit", "bye"),
        (SystemExit(*[True]), "exit", "SystemExit", "True"),
        (SystemExit(""), "exit", "SystemExit", ""),
        (SystemExit(0.0), "exit", "SystemExit", "0.0"),
        (ExceptionGroup("two", [TimeoutError()]), "timeout", "ExceptionGroup", "two (1 sub-exception)"),
    ],
)
def test_each_exception_has_its_reason(error: BaseException, reason: str, error_type: str, message: str) -> None:
    """What people filter by: why, which class, and its text."""
    assert outcome_of(error) == Outcome(reason=reason, error_type=error_type, error_message=message)


@pytest.mark.parametrize("error", [None, SystemExit(), SystemExit(None), SystemExit(0), SystemExit(*[False])])
def test_a_return_and_a_good_exit_are_no_failures(error: BaseException | None) -> None:
    """`sys.exit()` and `sys.exit(0)` are how scripts end well."""
    assert outcome_of(error) == ENDED


def test_expected_exceptions_are_no_failures() -> None:
    """Those that were named, and what is derived from them."""
    assert outcome_of(FileNotFoundError(), (OSError,)) == ENDED
    assert outcome_of(ValueError(), (OSError,)).reason == "error"
