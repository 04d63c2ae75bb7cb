"""Opens runs, each with its span; all doors go through here."""

import logging
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from opentelemetry import context as context_api
from opentelemetry.trace import Span, SpanContext, SpanKind, TracerProvider, get_current_span

from otel_job_measure import names
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.points.text import valid
from otel_job_measure.spans import live
from otel_job_measure.spans.current import NOT_CURRENT, Current
from otel_job_measure.spans.describe import describe_end, start_attributes
from otel_job_measure.spans.live import RUN_KEY, LiveSpan
from otel_job_measure.spans.outcome import outcome_of
from otel_job_measure.spans.provider import Bound, Providers
from otel_job_measure.spans.recorder import Recorder
from otel_job_measure.spans.run import Run
from otel_job_measure.spans.status import error_said

_logger = logging.getLogger(__name__)


class Opener:
    """Opens the runs of one `JobMeasure`.

    Args:
        recorder: Who records them.
        tracer_provider: Where their spans come from; None means the app's global provider, also one that is set later.
            With neither the runs have no span.
        version: Our version, for the scope of the spans.
    """

    __slots__ = ("describing", "disabled", "ending", "logging", "providers", "recorder", "starting")

    disabled: bool
    """Whether nothing at all is measured."""

    def __init__(
        self, recorder: Recorder, tracer_provider: TracerProvider | None = None, *, version: str | None = None
    ) -> None:
        self.recorder = recorder
        self.disabled = recorder.settings.disabled
        self.providers = Providers(tracer_provider, version, recorder.guards)
        self.starting = recorder.guards("starting a span")
        self.describing = recorder.guards("describing the end of a run on its span")
        self.ending = recorder.guards("ending a span")
        self.logging = recorder.guards("logging what a job raised")
        if not self.disabled:
            self.providers.bind()

    def open(
        self,
        name: str,
        *,
        expected: tuple[type[BaseException], ...] = (),
        kind: SpanKind = SpanKind.INTERNAL,
        swallow: bool = False,
    ) -> "Opening":
        """Makes a run that has not begun yet.

        Args:
            name: The job's name.
            expected: Exceptions that are no failure of the job.
            kind: The span's kind; CONSUMER where the job came from a queue.
            swallow: Whether an `Exception` of the job is logged and goes no further.

        Returns:
            A context manager around the job, for one run.
        """
        return Opening(self, name, expected, kind, swallow=swallow and not self.disabled)


class Opening:
    """One run that is opened through us, from before its start to after its end.

    As a context manager it begins the run, and ends it with what comes out of the block. Its span is current only
    inside `with opening.current:`, which the door of a generator enters for each step.

    Args:
        opener: Who opens it.
        name: The job's name.
        expected: Exceptions that are no failure of the job.
        kind: The span's kind.
        swallow: Whether an `Exception` of the job is logged and goes no further.
    """

    __slots__ = (
        "_context",
        "_ended",
        "_expected",
        "_handed_over",
        "_kind",
        "_opener",
        "_parent",
        "_recorder",
        "_span",
        "_swallow",
        "current",
        "run",
    )

    def __init__(
        self, opener: Opener, name: str, expected: tuple[type[BaseException], ...], kind: SpanKind, *, swallow: bool
    ) -> None:
        self.run = Run(name)
        self.current = NOT_CURRENT
        self._opener = opener
        self._recorder = opener.recorder
        self._expected = expected
        self._kind = kind
        self._swallow = swallow
        self._parent: SpanContext | None = None
        self._span: Span | None = None
        self._context: SpanContext | None = None
        self._handed_over = False
        self._ended = False

    def __enter__(self) -> Self:
        if self._handed_over:
            self._handed_over = False
            return self
        try:
            self._begin()
        except BaseException as error:  # an interruption of the job
            self.end(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._handed_over:
            return False
        self.end(error)
        if not self._swallow or not isinstance(error, Exception):
            return False
        with self._opener.logging:
            _logger.error("job %r raised, run %s; the chain goes on", self.run.name, self.run.uuid, exc_info=error)
        return True

    def wait_for_start(self) -> None:
        """Waits until InfluxDB has the start, where that was asked for."""
        if not self._ended:
            self._recorder.wait_for_start()

    async def wait_for_start_async(self) -> None:
        """Does the same without holding up the event loop."""
        if not self._ended:
            await self._recorder.wait_for_start_async()

    def hand_over(self) -> None:
        """Lets the next `with` block around this run, and not the present one, end it."""
        self._handed_over = True

    def took(self, span: Span) -> None:
        """Is told, by a processor or by ourselves, of the span that has started for this run.

        Args:
            span: The span; the first one of our scope is the run's.
        """
        if self._span is not None:
            return
        scope = getattr(span, "instrumentation_scope", None)
        if scope is not None and scope.name != names.SCOPE:
            return
        self._span = span
        context, parent = span.get_span_context(), self._parent
        # Where the scope or the SDK is disabled, the span only repeats its parent, or nothing.
        if context.is_valid and (parent is None or context.span_id != parent.span_id):
            self.current = Current(span)
        # The context of a span that doesn't record can be its parent's, the very object.
        if span.is_recording():
            self._context = context
            if context.trace_flags.sampled:
                self.run.trace = (context.trace_id, context.span_id)
            live.watch(LiveSpan(context, self.run, self._recorder, ours=True))
        self._recorder.start(self.run)

    def end(self, error: BaseException | None) -> None:
        """Ends the run; only the first call does anything, and only in the process that began it.

        Args:
            error: What the job raised; None where it returned.
        """
        try:
            self._end(error)
        except BaseException:  # an interruption of the job: the run has ended all the same
            self._end(error)
            raise

    def _begin(self) -> None:
        if self._opener.disabled:
            self.run.start_ns = self._recorder.clock.wall_ns()
            self._ended = True
            return
        recorder, run = self._recorder, self.run
        bound, resource = self._opener.providers.current()
        recorder.prepare(run, resource)
        if bound is not None:
            with self._opener.starting:
                self._start_span(bound, resource)
        recorder.start(run)

    def _start_span(self, bound: Bound, resource: Mapping[str, object]) -> None:
        run = self.run
        self._parent = get_current_span().get_span_context()
        span = bound.tracer.start_span(
            names.SPAN_NAME_PREFIX + valid(run.name),
            context=context_api.set_value(RUN_KEY, self),
            kind=self._kind,
            attributes=start_attributes(run, self._recorder.tags(resource)),
            start_time=run.start_ns,
        )
        self.took(span)

    def _end(self, error: BaseException | None) -> None:
        run, span = self.run, self._span
        self.current.release()
        if self._ended or run.pid != os.getpid():
            return
        self._recorder.settle(run, self._outcome(error))
        if span is not None:
            self._end_span(span, error)
        if self._context is not None:
            live.forget(self._context)
        self._recorder.end(run)
        self._ended = True

    def _end_span(self, span: Span, error: BaseException | None) -> None:
        run, opener = self.run, self._opener
        with opener.describing:
            if not span.is_recording():  # somebody in the job has ended it
                return
            describe_end(span, run, run.outcome or ENDED, error)
        with opener.ending:
            span.end(run.end_ns)

    def _outcome(self, error: BaseException | None) -> Outcome:
        outcome = outcome_of(error, self._expected)
        if outcome.reason is not None:
            return outcome
        said = self.run.failure
        with self._opener.describing:
            said = said or error_said(self._span)
        return said or outcome
