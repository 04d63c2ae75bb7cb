"""The span processors: from a span's start and end to the start and end of its run."""

from collections.abc import Callable, Iterable, Mapping

from opentelemetry.context import Context, create_key
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanContext
from opentelemetry.util.types import AnyValue

from otel_job_measure import names
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.points.runids import run_id_of_span
from otel_job_measure.spans import live
from otel_job_measure.spans.guard import Guards
from otel_job_measure.spans.naming import usable_name
from otel_job_measure.spans.opening import RUN_KEY, Opening
from otel_job_measure.spans.recorder import Recorder
from otel_job_measure.spans.rules import SpanRule
from otel_job_measure.spans.run import Run
