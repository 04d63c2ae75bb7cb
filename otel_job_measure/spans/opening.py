"""One run that is opened through us, with its span, from before its start to after its end."""

import logging
import os
from types import TracebackType

from opentelemetry import context as context_api
from opentelemetry.trace import Span, SpanKind, get_current_span

from otel_job_measure import names
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.spans import live
from otel_job_measure.spans.current import Current
from otel_job_measure.spans.describe import describe_end, start_attributes, valid
from otel_job_measure.spans.guard import Guard
from otel_job_measure.spans.live import RUN_KEY, LiveSpan
from otel_job_measure.spans.outcome import outcome_of
from otel_job_measure.spans.provider import Bound, Providers
from otel_job_measure.spans.recorder import Recorder
from otel_job_measure.spans.run import Run
from otel_job_measure.spans.status import error_said

_logger = logging.getLogger(__name__)


class Opening:
    """What every door to a run does around its job.

    As a context manager it begins the run, and ends it with what comes out of the block. The span is current only
    inside `with opening.current:`, which a generator's door enters for each of its steps.

    Args:
        recorder: Who records the run.
        providers: Where its span comes from.
        name: The job's name.
        expected: Exceptions that are no failure of the job.
        kind: The span's kind.
        swallow: Whether an `Exception` of the job is logged and goes no further.
    """

    __slots__ = (
        "_bound",
        "_ended",
        "_expected",
        "_handed_over",
        "_kind",
        "_name",
        "_providers",
        "_recorder",
        "_span",
        "_started",
        "_swallow",
        "current",
        "run",
    )

    run: Run
    """The run; it is there once the run has begun."""
    current: Current

    def __init__(
        self,
        recorder: Recorder,
        providers: Providers,
        name: str,
        *,
        expected: tuple[type[BaseException], ...],
        kind: SpanKind,
        swallow: bool,
    ) -> None:
        ...
