"""From a span's start and end to the start point and the ending of its run: the one way of every run.

    entry point → tracer.start_span → on_start → started(run, span) → start point
    entry point → outcome → ended(run, span) → ending;   then span.end()
    app-opened span → on_end → ended(run, span) → ending

If no provider calls `on_start` for a package-opened run (no SDK, a disabled scope, a foreign provider, an earlier
processor that raised), the entry point calls `started` itself.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from opentelemetry.context import Context, create_key
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import INVALID_SPAN
from opentelemetry.trace import Span as AnySpan

from otel_job_measure import names
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.points.run_ids import run_id_of_span
from otel_job_measure.spans.claims import claimed
from otel_job_measure.spans.guard import Guards
from otel_job_measure.spans.naming import usable_name
from otel_job_measure.spans.outcome import failure_of_span
from otel_job_measure.spans.recorder import Recorder
from otel_job_measure.spans.rules import SpanRule
from otel_job_measure.spans.run import Run
from otel_job_measure.spans.sampler import tell_of_sampler

RUN_KEY: Final = create_key("otel_job_measure-run")
"""The key of a package-opened run, only in the context that its span is started with."""

_NAME: Final = names.ATTR_NAME
_LIMITS: Final = {f"{names.ATTR_PREFIX}{limit}": limit for limit in names.LIMITS}
_OWN_SCOPES: Final = (names.SCOPE, "")  # foreign spans may have no scope
_FROM_SPAN: Final = frozenset({names.ATTR_NAME, names.ATTR_RUN_ID})  # rows take these from the span, if it has them
_ROW_TAGS: Final = frozenset({names.ATTR_DATACENTER, names.ATTR_PROJECT, names.ATTR_STAGE})

# App-opened runs that go on, by the identity of the span's context: it is the same object at start and end, and ids
# repeat if a job seeds `random`. One table a process, so that two processors measure a span once. Each access is one
# step for threads, signal handlers and the garbage collector.
_open: Final[dict[int, Run]] = {}


def taken_over(span: AnySpan) -> Run | None:
    """Returns the app-opened run of a span, if it is one: whoever asks for it ends it."""
    return _open.pop(id(span.get_span_context()), None) if _open else None


class JobSpanProcessor(SpanProcessor):
    """Makes the points of runs from the starts and ends of their spans; of app-opened ones only with a recorder."""

    def __init__(
        self,
        recorder: Callable[[], Recorder] | None = None,
        rules: Iterable[SpanRule] = (),
        *,
        guards: Guards | None = None,
    ) -> None:
        guards = guards or Guards()
        self._starting = guards("measuring the start of a span")
        self._ending = guards("measuring the end of a span")
        self._deciding = guards("finding out how a run ended")
        self._describing = guards("describing a run on its span")
        self._recorder = recorder
        self._has_seen_one = False
        self._rules: dict[str, list[SpanRule]] = {}
        for rule in rules:
            self._rules.setdefault(rule.scope, []).append(rule)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Makes the start point, if the span is that of a run."""
        # Every span of the app comes here: a `with` would cost as much again as the rest.
        try:
            if parent_context is not None and RUN_KEY in parent_context:
                if _scope(span) in _OWN_SCOPES:  # not a span that another processor started with our context
                    self.started(cast("Run", parent_context[RUN_KEY]), span)
            elif self._recorder is not None:
                attributes = span.attributes
                if attributes and _NAME in _plain(attributes):
                    self._by_name(span, attributes[_NAME], self._recorder)
                elif self._rules:
                    self._by_rule(span, self._recorder)
        except Exception as error:  # noqa: BLE001 - the guard's
            self._starting.caught(error)

    def on_end(self, span: ReadableSpan) -> None:
        """Makes the ending of an app-opened run; the entry point has ended a package-opened run before its span."""
        try:
            if not _open:
                return
            run = _open.pop(id(span.context), None)
            if run is not None:
                self.ended(run, span)
        except Exception as error:  # noqa: BLE001 - the guard's
            self._ending.caught(error)

    def started(self, run: Run, span: AnySpan) -> None:
        """Takes a run's span and makes the start point; only the first call for a run does anything."""
        if run.span is not None:
            return
        run.span = span
        if span is not INVALID_SPAN:
            try:
                context = span.get_span_context()
                trace_id, span_id = context.trace_id, context.span_id
                # Of a stand-in for a tracer that answers everything, they can be anything.
                if context.trace_flags.sampled and span.is_recording() and type(trace_id) is type(span_id) is int:
                    run.trace = (trace_id, span_id)
            except Exception as error:  # noqa: BLE001 - a span of a foreign provider
                self._starting.caught(error)
        run.recorder.start(run)

    def ended(self, run: Run, span: AnySpan | ReadableSpan) -> None:
        """Makes the ending of a run; only the first call for a run does anything."""
        if run.outcome is None:  # an entry point has set it before; of an app-opened run the span tells it
            found = cast("ReadableSpan", span)
            run.recorder.set_outcome(run, self._outcome(run, found), end_ns=found.end_time)
        run.recorder.end(run)

    def shutdown(self) -> None:
        """Does nothing: jobs may run after it too."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Returns at once, so that the app's exporters have all the time; `JobMeasure.flush` waits for points."""
        return True

    def _by_name(self, span: Span, name: object, recorder: Callable[[], Recorder]) -> None:
        # A span of our scope comes here only if a provider lost its context; its entry point records it.
        if _scope(span) != names.SCOPE and (run := _new_run(span, name, None, recorder())) is not None:
            self.started(run, span)
            self._declare(run, span)
            self._describe(run, span)
            if not self._has_seen_one:
                self._has_seen_one = True
                tell_of_sampler(span)

    def _by_rule(self, span: Span, recorder: Callable[[], Recorder]) -> None:
        # Such a span stays as it is: no attribute can hold the rule's outcome.
        for rule in self._rules.get(_scope(span), ()):
            name = rule.job_name(span.kind, span.name, span.attributes or {})
            if name is not None:
                if (run := _new_run(span, name, rule, recorder())) is not None:
                    self.started(run, span)
                return

    def _declare(self, run: Run, span: Span) -> None:
        """Takes the limits that a span's attributes state, such as `scheduling.job.schedule`."""
        attributes = _plain(span.attributes or {})
        if not _LIMITS.keys().isdisjoint(attributes):
            limits = {limit: attributes[name] for name, limit in _LIMITS.items() if name in attributes}
            resource = span.resource.attributes
            run.recorder.declare(run.name, limits, "", lambda: resource)

    def _describe(self, run: Run, span: Span) -> None:
        """Sets the attributes of a sampled app-opened span, so that a collector writes the same rows from it."""
        if run.job is None or run.trace is None:
            return
        with self._describing:
            given = (span.attributes or {}).keys()
            found = {**dict.fromkeys(given & _ROW_TAGS, ""), **run.job.attributes(run)}  # attributes cannot be removed
            span.set_attributes({name: text for name, text in found.items() if name not in given & _FROM_SPAN})

    def _outcome(self, run: Run, span: ReadableSpan) -> Outcome:
        found: Outcome | None = None
        with self._deciding:
            if run.rule is not None and run.rule.outcome is not None:
                found = run.rule.outcome(span.attributes or {})
        with self._deciding:
            found = found or failure_of_span(span)
        return found or ENDED


def _new_run(span: Span, name: object, rule: SpanRule | None, recorder: Recorder) -> Run | None:
    """Returns the run of an app-opened span that has just started, None if another processor was first."""
    context = span.get_span_context()
    if recorder.settings.disabled or id(context) in _open:
        return None
    if (measured := claimed(name)) is not None:  # an adapter measures the task: the run has the first span's ids
        measured.trace = measured.trace or (context.trace_id, context.span_id)
        return None
    given = (span.attributes or {}).get(names.ATTR_RUN_ID)
    uuid = given if isinstance(given, str) and given else run_id_of_span(context.span_id)
    run = Run(usable_name(name, f"the attribute {names.ATTR_NAME} of a span"), uuid)
    run.context, run.rule = context, rule
    recorder.prepare(run, span.resource.attributes, start_ns=span.start_time)
    return run if _open.setdefault(id(context), run) is run else None


def _plain(attributes: Mapping[str, object]) -> Mapping[str, object]:
    """Returns attributes as a dict: a miss in the SDK's own mapping raises inside and takes four times as long."""
    try:
        copied: Mapping[str, object] = cast("Any", attributes).copy()
    except AttributeError:  # those of a foreign provider
        return attributes
    return copied


def _scope(span: ReadableSpan) -> str:
    scope = getattr(span, "instrumentation_scope", None)
    return "" if scope is None else scope.name
