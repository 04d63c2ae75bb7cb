"""The spans of the app's own whose end we wait for, and the way to the doors of ours."""

from typing import Final, Protocol

from opentelemetry.context import create_key
from opentelemetry.trace import Span, SpanContext

from otel_job_measure.spans.recorder import Recorder
from otel_job_measure.spans.rules import SpanRule
from otel_job_measure.spans.run import Run

RUN_KEY: Final = create_key("otel_job_measure-run")
"""In the context that a span of ours is started with, and nowhere else: who opened it, an `Opened`."""


class Opened(Protocol):
    """A run that was opened through us, and waits for its span."""

    def took(self, span: Span) -> None:
        """Is told of the span that has started with its context."""
        ...


class LiveSpan:
    """A span that has not ended yet, and its run.

    Args:
        context: The span's own context object.
        run: The run that the span describes; the end of the one is the end of the other.
        recorder: Who records it.
        rule: How the run was recognised, where that was by a rule.
    """

    __slots__ = ("context", "recorder", "rule", "run")

    def __init__(self, context: SpanContext, run: Run, recorder: Recorder, *, rule: SpanRule | None = None) -> None:
        self.context = context
        self.run = run
        self.recorder = recorder
        self.rule = rule


live: dict[int, LiveSpan] = {}
"""Who looks whether there is any at all need not ask which: each span of the app comes here twice."""
# By identity of the span's context, which is the same object at the start and at the end: ids repeat where a job seeds
# `random`. One table a process, so that two processors on one provider measure a span once. Each access is one
# operation of a dict, which no thread, signal handler or garbage collector can come between.


find = live.get
"""Returns the live span of a context, given by its identity: without a step in between, for the same reason."""


def watch(span: LiveSpan) -> bool:
    """Waits for a span's end.

    Args:
        span: What has just started; the table keeps its context, so that no other can get its identity.

    Returns:
        False where somebody does so already.
    """
    return live.setdefault(id(span.context), span) is span


def forget(context: SpanContext) -> LiveSpan | None:
    """Stops waiting for a span's end.

    Args:
        context: The span's own context object.

    Returns:
        What was known of it; None where somebody else was first.
    """
    return live.pop(id(context), None)


def count() -> int:
    """Returns how many spans are waited for."""
    return len(live)
