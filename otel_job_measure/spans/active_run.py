"""One run that is opened through us, from before its start to after its end."""

import logging
from types import TracebackType
from typing import Final, Literal, Self

from opentelemetry import context as context_api
from opentelemetry.trace import Span, SpanKind, get_current_span

from otel_job_measure import names
from otel_job_measure.points.outcome import ENDED, FAILED, Outcome
from otel_job_measure.spans.attributes import describe_end
from otel_job_measure.spans.current import NOT_CURRENT, Current
from otel_job_measure.spans.job import Job
from otel_job_measure.spans.live import RUN_KEY
from otel_job_measure.spans.means import Means
from otel_job_measure.spans.outcome import outcome_of
from otel_job_measure.spans.run import JobRun, Run
from otel_job_measure.spans.status import error_said
from otel_job_measure.spans.tracer import Bound

_logger = logging.getLogger(__name__)


class ActiveRun:
    """One run that is opened through us, from before its start to after its end.

    As a context manager it begins the run, and ends it with what comes out of the block. Its span is current only
    inside `with opening.current:`, which the door of a generator enters for each step.

    The methods that a door calls let no `Exception` of ours out, not even where there is no memory, or no room on the
    stack for another call. The job is called from the same depth, and finds no room there either.

    Args:
        means: What it takes.
        name: The job's name.
        expected: Exceptions that are no failure of the job.
        kind: The span's kind.
        swallow: Whether an `Exception` of the job is logged and goes no further.
    """

    __slots__ = (
        "_ended",
        "_expected",
        "_handed_over",
        "_kind",
        "_means",
        "_recorder",
        "_span",
        "_swallow",
        "current",
        "job_run",
        "run",
    )

    def __init__(
        self, means: Means, name: str, expected: tuple[type[BaseException], ...], kind: SpanKind, *, swallow: bool
    ) -> None:
        self.run = Run(name)
        self.job_run = JobRun(self.run)
        self.current = NOT_CURRENT
        self._means = means
        self._recorder = means.recorder
        self._expected = expected
        self._kind = kind
        self._swallow = swallow
        self._span: Span | None = None
        self._handed_over = False
        self._ended = False

    def __enter__(self) -> Self:
        if self._handed_over:
            self._handed_over = False
            return self
        try:
            self._begin()
        except Exception as error:  # noqa: BLE001 - as said above
            self._means.troubles.append(error)
        except BaseException as error:  # an interruption of the job
            self.end(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._handed_over:
            return False
        if not self._ended:
            self.end(error)
        if not self._swallow or not isinstance(error, Exception):
            return False
        try:
            with self._means.logging:
                _logger.error("job %r raised, run %s; the chain goes on", self.run.name, self.run.uuid, exc_info=error)
        except Exception as trouble:  # noqa: BLE001 - as said above
            self._means.troubles.append(trouble)
        return True

    def wait_for_start(self) -> None:
        """Waits until InfluxDB has the start, where that was asked for."""
        try:
            if not self._ended:
                self._recorder.wait_for_start()
        except Exception as error:  # noqa: BLE001 - as said above
            self._means.troubles.append(error)

    async def wait_for_start_async(self) -> None:
        """Does the same without holding up the event loop."""
        try:
            if not self._ended:
                await self._recorder.wait_for_start_async()
        except Exception as error:  # noqa: BLE001 - as said above
            self._means.troubles.append(error)

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
        context, records = span.get_span_context(), span.is_recording()
        # Where the scope or the SDK is disabled, the span only repeats its parent, or nothing.
        if context.is_valid and (records or context.span_id != get_current_span().get_span_context().span_id):
            self.current = Current(span, self._means.troubles)
        if records and context.trace_flags.sampled:
            self.run.trace = (context.trace_id, context.span_id)
        self._recorder.start(self.run)

    def end(self, error: BaseException | None) -> None:
        """Ends the run; only the first call does anything, and only in the process that began it.

        Args:
            error: What the job raised; None where it returned.
        """
        try:
            self._end(error)
        except Exception as trouble:  # noqa: BLE001 - as said above
            self._means.troubles.append(trouble)
            try:
                self._end(error)  # what was done already is not done again
                self._means.tell()
            except Exception:  # noqa: BLE001, S110 - the same as before, most likely
                pass
        except BaseException:  # an interruption of the job: the run has ended all the same
            self._end(error)
            raise

    def _begin(self) -> None:
        if self._means.disabled:
            self.run.start_ns = self._recorder.clock.wall_ns()
            self._ended = True
            return
        recorder, run = self._recorder, self.run
        bound, resource = self._means.providers.current()
        job = recorder.prepare(run, resource)
        if bound is not None and job is not None:
            try:
                self._start_span(bound, job)
            except Exception as error:  # noqa: BLE001 - the guard's
                self._means.starting.caught(error)
        if "start" in run.unclaimed:  # no span has brought it
            recorder.start(run)

    def _start_span(self, bound: Bound, job: Job) -> None:
        run = self.run
        span = bound.tracer.start_span(
            job.span_name,
            context=context_api.set_value(RUN_KEY, self),
            kind=self._kind,
            attributes=job.attributes(run),
            start_time=run.start_ns,
        )
        if self._span is None:  # no processor of ours has seen it
            self.took(span)

    def _end(self, error: BaseException | None) -> None:
        run, span = self.run, self._span
        self.current.release()
        if self._ended or not run.is_of_this_process:
            return
        self._recorder.settle(run, self._outcome(error))
        self._recorder.end(run)  # before the span: what the app's processors do at its end can take any time
        if span is not None:
            self._end_span(span, error)
        self._ended = True

    def _end_span(self, span: Span, error: BaseException | None) -> None:
        run, means = self.run, self._means
        try:
            if not span.is_recording():  # somebody in the job has ended it
                return
            describe_end(span, run, run.outcome or ENDED, error)
        except Exception as trouble:  # noqa: BLE001 - the guard's
            means.describing.caught(trouble)
        try:
            span.end(run.end_ns)
        except Exception as trouble:  # noqa: BLE001 - the guard's
            means.ending.caught(trouble)

    def _outcome(self, error: BaseException | None) -> Outcome:
        outcome = ENDED
        if error is not None:
            outcome = FAILED
            with self._means.judging:  # which runs code of the job: its text, its class's own idea of what a class is
                outcome = outcome_of(error, self._expected)
        if outcome.reason is not None:
            return outcome
        said = self.run.failure
        if said is None and self._span is not None:
            try:
                said = error_said(self._span)
            except Exception as trouble:  # noqa: BLE001 - the guard's
                self._means.describing.caught(trouble)
        return said or outcome


class _Unmeasured(ActiveRun):
    """What a door is given where not even an opening could be made: the job runs, and nothing is recorded."""

    __slots__ = ()

    def __init__(self) -> None:
        self.run = Run(names.UNNAMED, "2" * 12)  # a constant: whoever asks gets an id, of no run
        self.job_run = JobRun(self.run)
        self.current = NOT_CURRENT

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        return False

    def wait_for_start(self) -> None:
        """Has no start to wait for."""

    async def wait_for_start_async(self) -> None:
        """Has none either."""

    def hand_over(self) -> None:
        """Has nothing to hand over."""

    def took(self, span: Span) -> None:
        """Takes no span."""

    def end(self, error: BaseException | None) -> None:
        """Has nothing to end."""


UNMEASURED: Final[ActiveRun] = _Unmeasured()
