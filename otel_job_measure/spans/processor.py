"""The span processors: from a span's start and end to the start and end of its run."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from otel_job_measure import names
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.points.run_ids import run_id_of_span
from otel_job_measure.spans import live
from otel_job_measure.spans.guard import Guards
from otel_job_measure.spans.job import Job
from otel_job_measure.spans.live import RUN_KEY, LiveSpan, Opened
from otel_job_measure.spans.naming import usable_name
from otel_job_measure.spans.recorder import Recorder
from otel_job_measure.spans.rules import SpanRule
from otel_job_measure.spans.run import Run
from otel_job_measure.spans.status import error_said

_NAME: Final = names.ATTR_NAME
_FROM_SPAN: Final = frozenset({names.ATTR_NAME, names.ATTR_RUN_ID})  # where the span has them, our rows have them of it
_live: Final = live.live
_ROW_TAGS: Final = frozenset({names.ATTR_DATACENTER, names.ATTR_PROJECT, names.ATTR_STAGE})


class OwnSpanProcessor(SpanProcessor):
    """Tells the doors of ours of the spans that start for their runs, also where a later processor raises.

    The end of such a run is recorded by its door, before its span ends.
    Its `force_flush` returns at once and its `shutdown` does nothing, so that it never takes time from the app's
    exporters; the points of runs have a `flush` of their own.

    Args:
        guards: What counts and logs our failures.
    """

    def __init__(self, guards: Guards | None = None) -> None:
        self._starting = (guards or Guards())("measuring the start of a span")

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Records a run's start.

        Args:
            span: The span that has started.
            parent_context: The context it was started with, which tells whose run it is.
        """
        if parent_context is not None and RUN_KEY in parent_context:
            try:
                cast("Opened", parent_context[RUN_KEY]).took(span)
            except Exception as error:  # noqa: BLE001 - the guard's
                self._starting.caught(error)

    def shutdown(self) -> None:
        """Does nothing: jobs run after it too."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Has nothing to flush.

        Args:
            timeout_millis: How long it might take.

        Returns:
            True, at once; older releases of the SDK leave that to each processor.
        """
        return True


class RunSpanProcessor(OwnSpanProcessor):
    """Records also the spans that the app opens itself: those with `scheduling.job.name`, and those of the rules.

    Args:
        measure: Gives the recorder of their runs; it is asked when such a span starts.
        rules: How job spans of other instrumentations are recognised.
        guards: What counts and logs our failures.
    """

    def __init__(
        self, measure: Callable[[], Recorder], rules: Iterable[SpanRule] = (), *, guards: Guards | None = None
    ) -> None:
        guards = guards or Guards()
        super().__init__(guards)
        self._ending = guards("measuring the end of a span")
        self._deciding = guards("finding out how a run ended")
        self._describing = guards("describing a run on its span")
        self._measure = measure
        self._rules: dict[str, list[SpanRule]] = {}
        for rule in rules:
            self._rules.setdefault(rule.scope, []).append(rule)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Records the start of any run, whoever opened it.

        Args:
            span: The span that has started.
            parent_context: The context it was started with.
        """
        try:
            if parent_context is not None and RUN_KEY in parent_context:
                cast("Opened", parent_context[RUN_KEY]).took(span)
                return
            attributes = span.attributes
            if attributes and _NAME in _plain(attributes):
                self._by_name(span, attributes[_NAME])
            elif self._rules:
                self._by_rule(span)
        except Exception as error:  # noqa: BLE001 - the guard's
            self._starting.caught(error)

    def on_end(self, span: ReadableSpan) -> None:
        """Records the end of a run whose span the app has opened.

        Args:
            span: The span that has ended.
        """
        # Every span of the app comes through here, and a block of the guard around it all would cost as much again.
        try:
            if not _live:
                return
            found = live.find(id(span.context))
            if found is not None and live.forget(found.context) is not None:
                found.recorder.settle(found.run, self._outcome(found, span), end_ns=span.end_time)
                found.recorder.end(found.run)
        except Exception as error:  # noqa: BLE001 - the guard's
            self._ending.caught(error)

    def _outcome(self, found: LiveSpan, span: ReadableSpan) -> Outcome:
        said: Outcome | None = None
        with self._deciding:
            if found.rule is not None and found.rule.outcome is not None:
                said = found.rule.outcome(span.attributes or {})
        with self._deciding:
            said = said or error_said(span)
        return said or ENDED

    def _by_name(self, span: Span, name: object) -> None:
        # Ours come here only where a provider has lost their context; who opened them records them.
        if _scope(span) != names.SCOPE:
            self._started(span, name, None)

    def _by_rule(self, span: Span) -> None:
        for rule in self._rules.get(_scope(span), ()):
            name = rule.job_name(span.kind, span.name, span.attributes or {})
            if name is not None:
                self._started(span, name, rule)
                return

    def _started(self, span: Span, name: object, rule: SpanRule | None) -> None:
        context = span.get_span_context()
        recorder = self._measure()
        if recorder.settings.disabled or live.find(id(context)) is not None:
            return
        given = (span.attributes or {}).get(names.ATTR_RUN_ID)
        uuid = given if isinstance(given, str) and given else run_id_of_span(context.span_id)
        run = Run(usable_name(name, f"the attribute {names.ATTR_NAME} of a span"), uuid)
        job = recorder.prepare(run, span.resource.attributes, start_ns=span.start_time)
        if context.trace_flags.sampled:
            run.trace = (context.trace_id, context.span_id)
        if live.watch(LiveSpan(context, run, recorder, rule=rule)):
            recorder.start(run)
            # One that a rule has recognised stays as it is: what the rule says of its end cannot stand on it.
            if rule is None and job is not None and context.trace_flags.sampled:
                with self._describing:
                    _describe(span, run, job)


def _describe(span: Span, run: Run, job: Job) -> None:
    """Says on a span of the app's own what our rows say, so that others write the same, whatever the app says there."""
    given = (span.attributes or {}).keys()
    said = dict.fromkeys(given & _ROW_TAGS, "") | job.attributes(run)  # no attribute can be taken away again
    span.set_attributes({name: text for name, text in said.items() if name not in given & _FROM_SPAN})


def _plain(attributes: Mapping[str, object]) -> Mapping[str, object]:
    """Returns attributes as a dict: the SDK's own mapping takes an exception, and four times as long, for each no."""
    try:
        copied: Mapping[str, object] = cast("Any", attributes).copy()
    except AttributeError:  # those of a provider of another make
        return attributes
    return copied


def _scope(span: ReadableSpan) -> str:
    scope = span.instrumentation_scope
    return "" if scope is None else scope.name
