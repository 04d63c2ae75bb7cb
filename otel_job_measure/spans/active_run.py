"""A package-opened run: opens its span, reports start and end to the processor, and never lets a failure out."""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Span,
    TracerProvider,
    get_current_span,
    set_span_in_context,
)

from otel_job_measure import names
from otel_job_measure.points.outcome import ENDED, FAILED, Outcome
from otel_job_measure.rate_limited_log import PrintableLog
from otel_job_measure.spans.attributes import describe_end
from otel_job_measure.spans.claims import Claim, Claimed, claimed
from otel_job_measure.spans.current import NOT_CURRENT, Current
from otel_job_measure.spans.outcome import failure_of_span, outcome_of
from otel_job_measure.spans.processor import RUN_KEY, JobSpanProcessor, taken_over
from otel_job_measure.spans.reasons import NO_REASONS, Reasons
from otel_job_measure.spans.recorder import Recorder
from otel_job_measure.spans.run import NO_DETAILS, Details, Job, JobRun, Run
from otel_job_measure.spans.span_options import PLAIN_SPAN, SpanOptions
from otel_job_measure.spans.tracer import Bound, Providers

_logger = PrintableLog(logging.getLogger(__name__))


class Opener:
    """Opens the runs of one `JobMeasure`; without a given provider it uses the global one, also one set later."""

    def __init__(
        self,
        recorder: Recorder,
        tracer_provider: TracerProvider | None = None,
        *,
        version: Callable[[], str | None] | None = None,
        reasons: Reasons = NO_REASONS,
        owner: object = None,
    ) -> None:
        guards = recorder.guards
        self.recorder = recorder
        self.reasons = reasons
        self._owner = owner
        self.disabled = recorder.settings.disabled
        self.providers = Providers(tracer_provider, version, guards)
        self.processor = JobSpanProcessor(guards=guards)
        self.guard = guards("opening and closing a run")
        self.starting = guards("starting a span")
        self.reading = guards("reading the options of a run")
        self.judging = guards("finding out how a job ended")
        self.describing = guards("describing the end of a run on its span")
        self.ending = guards("ending a span")
        self.logging = guards("logging what a job raised")
        if not self.disabled:
            self.providers.current()  # so that the first run need not bind to it

    def open(  # noqa: PLR0913 - what the entry points know of a run
        self,
        name: str,
        *,
        expected: tuple[type[BaseException], ...] = (),
        span: SpanOptions = PLAIN_SPAN,
        details: Details = NO_DETAILS,
        swallow: bool = False,
        reasons: Reasons = NO_REASONS,
        joins: bool = True,
    ) -> "ActiveRun":
        """Returns a run that has not begun yet; with `swallow`, an `Exception` of the job is logged and suppressed.

        With `joins`, it is the run that an adapter measures the current task with, if that is one of this job.
        """
        try:
            if self.guard.kept:
                self.guard.tell_kept()
            outer = claimed(name) if joins else None
            run = outer or Run(name, None, details)
            joined = outer is not None
            return ActiveRun(self, run, expected=expected, span=span, swallow=swallow, reasons=reasons, joined=joined)
        except Exception as error:  # noqa: BLE001 - no memory, or the end of the stack
            self.guard.keep(error)
            return UNMEASURED

    def declare(self, name: str, limits: Mapping[str, object], module: str = "") -> None:
        """Takes what the code of a module says of a job, see `expectations.arguments`."""
        if not self.disabled:
            self.recorder.declare(name, limits, module, self.providers.known_resource)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles as the opener of its `JobMeasure`: a job that is pickled by value takes it along."""
        return getattr, (self._owner, "opener")


class ActiveRun:
    """One package-opened run, from before its start to after its end.

    An entry point calls `begin`, waits for the start, makes the span current with `current`, and calls `finish` or
    `failed`. They let no `Exception` of ours out, not even without memory or at the end of the stack: the job is called
    from the same depth, and finds no room there either.
    """

    __slots__ = (
        "_expected",
        "_is_over",
        "_joined",
        "_opener",
        "_options",
        "_reasons",
        "_swallow",
        "current",
        "job_run",
        "run",
    )

    def __init__(  # noqa: PLR0913 - as for `open`
        self,
        opener: Opener | None,
        run: Run,
        *,
        expected: tuple[type[BaseException], ...] = (),
        span: SpanOptions = PLAIN_SPAN,
        swallow: bool = False,
        reasons: Reasons = NO_REASONS,
        joined: bool = False,
    ) -> None:
        self._opener = opener
        self._is_over = joined or opener is None
        self._joined = joined
        self._expected = expected
        self._reasons = reasons
        self._options = span
        self._swallow = swallow
        self.run = run
        self.job_run = JobRun(run)
        self.current = NOT_CURRENT

    def begin(self) -> None:
        """Starts the span and records the start."""
        if self._is_over or self._opener is None:
            return
        try:
            self._begin(self._opener)
        except Exception as error:  # noqa: BLE001 - the guard's
            self._opener.guard.keep(error)

    def wait_for_start(self) -> None:
        """Waits until InfluxDB has the start, if the settings ask for it."""
        if self._is_over or self._opener is None:
            return
        try:
            self._opener.recorder.wait_for_start()
        except Exception as error:  # noqa: BLE001 - the guard's
            self._opener.guard.keep(error)

    async def wait_for_start_async(self) -> None:
        """Does the same without blocking the event loop."""
        if self._is_over or self._opener is None:
            return
        try:
            await self._opener.recorder.wait_for_start_async()
        except Exception as error:  # noqa: BLE001 - the guard's
            self._opener.guard.keep(error)

    def finish(self, error: BaseException | None = None, outcome: Outcome | None = None) -> None:
        """Ends the run with an outcome or with what the job raised; only the first call does anything."""
        if self._is_over or self._opener is None:
            if self._joined and error is not None and self._opener is not None:
                self._tell(self._opener, error)
            return
        try:
            self._finish(self._opener, error, outcome)
        except BaseException as trouble:
            try:
                self._finish(self._opener, error, outcome)  # steps that are done are not done again
            except Exception as again:  # noqa: BLE001 - the guard's
                self._opener.guard.keep(again)
            if not isinstance(trouble, Exception):  # an interruption of the job
                raise
            self._opener.guard.keep(trouble)

    def claim(self, names: tuple[str, ...], owner: object) -> None:
        """Claims the current task for this run while its span is current, if the run is measured."""
        if not self._is_over and self.run.job is not None:
            self.current = Claimed(self.current, Claim(self.run, (self.run.name, *names), owner))

    def let_go(self) -> None:
        """Ends the span, and leaves the run's ending to another process."""
        self._is_over = True
        if self._opener is not None and self.run.span is not None:
            with self._opener.ending:
                self.run.span.end()

    def context(self) -> Context:
        """Returns the current context with the run's span as the current one, if it has a span of its own."""
        return (
            context_api.get_current()
            if self.current is NOT_CURRENT
            else set_span_in_context(self.run.span or INVALID_SPAN)
        )

    def failed(self, error: BaseException) -> bool:
        """Ends the run with what the job raised; returns whether that goes no further."""
        self.finish(error)
        if self._opener is None or self._opener.disabled or not self._swallow or not isinstance(error, Exception):
            return False
        try:
            if self._joined and self.run.told is not None:  # the run that it joined hears of it in no other way
                self.run.failure = self.run.told[1]
            with self._opener.logging:
                message = "job %r raised, run %s; the chain goes on"
                _logger.error(message, self.run.name, self.run.uuid, exc_info=error)
        except Exception as trouble:  # noqa: BLE001 - the guard's
            self._opener.guard.keep(trouble)
        return True

    def _begin(self, opener: Opener) -> None:
        run = self.run
        if opener.disabled:
            run.start_ns = opener.recorder.clock.wall_ns()
            self._is_over = True
            return
        if self._options.foreign is not None and (taken := taken_over(self._options.foreign)) is not None:
            taken.details, taken.span = run.details, INVALID_SPAN  # its own instrumentation ends the span
            self.run, self.job_run = taken, JobRun(taken)
            return
        bound, resource = opener.providers.current()
        job = opener.recorder.prepare(run, resource)
        span: Span = INVALID_SPAN
        if self._options.foreign is not None:
            self.adopt(self._options.foreign)
        elif bound is not None and job is not None:
            try:
                span = self._start_span(bound, job)
            except Exception as error:  # noqa: BLE001 - the guard's
                opener.starting.caught(error)
        if run.span is None:  # no provider has called the processor
            opener.processor.started(run, span)
        if run.span is INVALID_SPAN:
            return
        try:
            if (own := run.span) is not None and (run.trace is not None or _is_own(own, self._options.context)):
                self.current = Current(own, opener.guard)
        except Exception as error:  # noqa: BLE001 - the guard's
            opener.starting.caught(error)

    def adopt(self, span: Span) -> None:
        """Takes the ids of a span that another instrumentation has opened for the run, recording or not."""
        if self._opener is None:
            return
        try:
            context = span.get_span_context()
            if context.is_valid and self.run.trace is None:
                self.run.trace = (context.trace_id, context.span_id)
        except Exception as error:  # noqa: BLE001 - a span of a foreign provider
            self._opener.starting.caught(error)

    def _start_span(self, bound: Bound, job: Job) -> Span:
        options = self._options
        return bound.tracer.start_span(
            job.span_name,
            context=context_api.set_value(RUN_KEY, self.run, options.context),
            kind=options.kind,
            attributes={**(options.attributes or {}), **job.attributes(self.run)},
            links=options.links,
            start_time=self.run.start_ns,
        )

    def _finish(self, opener: Opener, error: BaseException | None, outcome: Outcome | None) -> None:
        run = self.run
        self.current.release()
        if not run.is_of_this_process:
            return
        if run.outcome is None:
            opener.recorder.set_outcome(run, outcome or self._outcome(opener, error))
        span = run.span or INVALID_SPAN
        opener.processor.ended(run, span)  # before the span's end: the app's exporters can take any time there
        if span is not INVALID_SPAN:
            self._end_span(opener, span, error)
        self._is_over = True
        run.told = None

    def _tell(self, opener: Opener, error: BaseException) -> None:
        """Tells the run that this one joined what an exception means here."""
        try:
            self.run.told = (error, self._judged(opener, error))
        except Exception as trouble:  # noqa: BLE001 - the guard's
            opener.guard.keep(trouble)

    def _end_span(self, opener: Opener, span: Span, error: BaseException | None) -> None:
        run = self.run
        try:
            if not span.is_recording():  # no span, or the job has ended it
                return
            describe_end(span, run, run.outcome or ENDED, error)
        except Exception as trouble:  # noqa: BLE001 - the guard's
            opener.describing.caught(trouble)
        try:
            span.end(run.end_ns)
        except Exception as trouble:  # noqa: BLE001 - the guard's
            opener.ending.caught(trouble)

    def _outcome(self, opener: Opener, error: BaseException | None) -> Outcome:
        """Returns the outcome by the exception, else by `fail()`, else by the status that the job set on the span."""
        outcome = ENDED if error is None else self._judged(opener, error)
        if outcome.reason is not None:
            return outcome
        found = self.run.failure
        if found is None and (span := self.run.span) is not None and span is not INVALID_SPAN:
            try:
                found = failure_of_span(span)
            except Exception as trouble:  # noqa: BLE001 - the guard's
                opener.describing.caught(trouble)
        return found or outcome

    def _judged(self, opener: Opener, error: BaseException) -> Outcome:
        told, self.run.told = self.run.told, None
        if told is not None and told[0] is error:  # an entry point inside the task knows more
            return told[1]
        with opener.judging:  # code of the job: the exception's text, a metaclass's idea of a subclass
            return outcome_of(error, self._expected, {**self._reasons, **opener.reasons, **self._reasons})
        return FAILED


UNMEASURED: Final = ActiveRun(None, Run(names.UNNAMED, "2" * 12))
"""The run of a job for which no run could be made, for lack of memory or stack: its methods do nothing."""


def _is_own(span: Span, parent: Context | None) -> bool:
    """Whether a span is not just its parent again, or invalid, as in a disabled scope or SDK."""
    context = span.get_span_context()
    return context.is_valid and (
        span.is_recording() or context.span_id != get_current_span(parent).get_span_context().span_id
    )
