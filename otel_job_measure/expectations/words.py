"""What is expected of a job, in words."""

from datetime import datetime

from otel_job_measure.errors import MissingDependencyError, ScheduleError
from otel_job_measure.expectations import schedules
from otel_job_measure.expectations.durations import in_words
from otel_job_measure.expectations.expectation import Expectation


def words_of(expectation: Expectation, now: datetime) -> str:
    """Returns all limits in one sentence, such as `At 02:05 every day (Europe/Berlin), in time up to 30m late`."""
    parts = [_timing(expectation, now)]
    if expectation.grace_s is not None:
        parts.append(f"in time up to {in_words(expectation.grace_s)} late")
    for seconds, text in (
        (expectation.max_runtime_s, "takes at most {}"),
        (expectation.min_runtime_s, "takes at least {}"),
        (expectation.min_interval_s, "starts at least {} apart"),
        (expectation.max_age_s, "succeeds at least every {}"),
    ):
        if seconds is not None:
            parts.append(text.format(in_words(seconds)))
    if expectation.failures is not None:
        parts.append(f"is failing after {expectation.failures} failures in a row")
    return ", ".join(part for part in parts if part) or "nothing"


def _timing(expectation: Expectation, now: datetime) -> str:
    if expectation.by_scheduler:
        return "when its scheduler says"
    if expectation.every_s is not None:
        return f"every {in_words(expectation.every_s)}"
    text, timezone = expectation.schedule, expectation.timezone or "UTC"
    if text is None:
        return ""
    try:
        words = schedules.parse(text, timezone, now, expectation.dialect).words
    except (ScheduleError, MissingDependencyError):
        words = text
    dialect = f"{expectation.dialect}, " if expectation.dialect else ""
    return f"{words} ({dialect}{timezone})"
