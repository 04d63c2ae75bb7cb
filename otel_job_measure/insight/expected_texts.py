"""Expectations as stores keep them: texts that another version, or another program, may have written."""

import logging
from collections.abc import Iterable, Iterator
from typing import Final

from otel_job_measure import names
from otel_job_measure.clock import SystemClock
from otel_job_measure.errors import ScheduleError
from otel_job_measure.expectations.encoding import decode
from otel_job_measure.expectations.expectation import ExpectedJob
from otel_job_measure.rate_limited_log import RateLimitedLog

_limited_log: Final = RateLimitedLog(logging.getLogger(names.LOGGER), SystemClock())


def decoded(texts: Iterable[str], store: str) -> Iterator[ExpectedJob]:
    """Yields the expectations that can be read; the log says that one of a store is left out."""
    for text in texts:
        try:
            yield decode(text)
        except ScheduleError as error:
            _limited_log.warning(
                f"expected in {store}", "an expectation in %s cannot be read and is left out: %s", store, error
            )
