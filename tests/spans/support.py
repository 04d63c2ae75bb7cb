"""What the tests of spans share: a journal that is a list, and all that a measured job needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext
from opentelemetry.trace import TracerProvider as AnyProvider

from otel_job_measure import names
from otel_job_measure.entrypoints.compose import compose
from otel_job_measure.entrypoints.context_manager import RunBlock
from otel_job_measure.entrypoints.decorator import job
from otel_job_measure.entrypoints.middleware import middleware, sync_middleware
from otel_job_measure.journal.interfaces import Position
from otel_job_measure.points.line_protocol import Point, lines, parse
from otel_job_measure.settings import Settings
from otel_job_measure.spans.active_run import Opener
from otel_job_measure.spans.processor import JobSpanProcessor
from otel_job_measure.spans.recorder import Recorder

Anything = Any
"""What jobs, chains and the classes of others take and give."""

T0 = 1_800_000_000_000_000_007


@dataclass
class ListJournal:
    """A journal in a list, with times a microsecond apart."""

    host: str = "test-host"
    appended: list[bytes] = field(default_factory=list[bytes])
    now_ns: int = T0
    held: list[str] = field(default_factory=list[str])
    released: list[str] = field(default_factory=list[str])
    broken: Callable[[], None] = lambda: None
    """Called before each append."""

    def stamp(self, *, after_ns: int = 0) -> int:
        """Returns the next time."""
        self.now_ns = max(self.now_ns, after_ns) + 1000
        return self.now_ns

    def begin(self, uuid: str, line: bytes) -> None:
        """Appends a start."""
        self.broken()
        assert parse(line).fields[names.FIELD_UUID] == uuid
        self.appended.append(line)

    def finish(self, uuid: str, lines: bytes) -> None:
        """Appends an ending."""
        self.broken()
        assert uuid.encode() in lines
        self.appended.append(lines)

    def note(self, lines: bytes) -> None:
        """Appends other points."""
        self.broken()
        self.appended.append(lines)

    def hold(self, uuid: str, start: bytes = b"") -> None:
        """Notes that a run is held."""
        self.held.append(uuid)

    def release(self, uuid: str) -> None:
        """Notes that a run is given up."""
        self.released.append(uuid)

    def tail(self) -> Position:
        """Returns the number of appends as the place."""
        return Position(0, len(self.appended))

    @property
    def points(self) -> list[Point]:
        """Returns what was appended, as points."""
        return [parse(line) for data in self.appended for line in lines(data)]

    @property
    def runs(self) -> "list[Story]":
        """Returns the runs in the order of their first points; each point at most once."""
        stories: dict[str, Story] = {}
        for point in self.points:
            uuid = str(point.fields[names.FIELD_UUID])
            stories.setdefault(uuid, Story(uuid, str(point.tags[names.TAG_JOB]))).add(point)
        return list(stories.values())

    @property
    def only(self) -> "Story":
        """Returns the one run there is."""
        (story,) = self.runs
        return story


@dataclass
class Story:
    """The points of one run."""

    uuid: str
    job: str
    start: Point | None = None
    end: Point | None = None
    row: Point | None = None

    def add(self, point: Point) -> None:
        """Takes a point that is not there yet."""
        if point.measurement == names.RUNS:
            assert self.row is None
            self.row = point
        elif point.fields[names.FIELD_STATUS] == names.STATUS_START:
            assert self.start is None
            self.start = point
        else:
            assert self.end is None
            self.end = point

    @property
    def status(self) -> str | None:
        """Returns how the run ended, where both rows say the same; None while it goes on."""
        if self.end is None or self.row is None:
            assert self.end is self.row
            return None
        assert self.start is not None
        assert self.end.time_ns == self.row.time_ns
        assert self.end.fields[names.FIELD_STATUS] == self.row.tags[names.TAG_STATUS]
        return self.row.tags[names.TAG_STATUS]

    @property
    def reason(self) -> str | None:
        """Returns why the run failed; `end` for one that ended well, None while it goes on."""
        status = self.status
        return status if self.row is None or status == names.STATUS_END else self.row.tags[names.TAG_REASON]

    @property
    def facts(self) -> Mapping[str, Any]:
        """Returns the fields of the run row."""
        assert self.row is not None
        return self.row.fields


class Bench:
    """A recorder with its journal, and the doors to it.

    Args:
        provider: The provider given as an argument, if any.
        settings: Those of the recorder.
    """

    def __init__(self, provider: AnyProvider | None = None, **settings: Anything) -> None:
        """Puts them together as `JobMeasure` does."""
        self.journal = ListJournal()
        self.recorder = Recorder(Settings(**settings), lambda: self.journal)
        self.opener = Opener(self.recorder, provider, version=lambda: "1.2.3")

    def run(self, name: Anything = "nightly") -> RunBlock:
        """Gives the context manager."""
        return RunBlock(self.opener, name)

    def job(self, function: Callable[..., Any], **arguments: Anything) -> Anything:
        """Gives a function's measured form."""
        return job(self.opener, "nightly", **arguments)(function)

    async def middleware(self, ctx: object, call_next: Callable[[], Any]) -> Anything:
        """Is the middleware."""
        return await middleware(self.opener, ctx, call_next)

    def sync_middleware(self, ctx: object, call_next: Callable[[], Any]) -> Anything:
        """Is the middleware of synchronous chains."""
        return sync_middleware(self.opener, ctx, call_next)

    def chain(self, handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Gives a chain with the middleware."""
        return compose([self.middleware], handler)

    def processor(self, **arguments: Anything) -> JobSpanProcessor:
        """Gives a processor for the app's own spans."""
        return JobSpanProcessor(lambda: self.recorder, **arguments)

    @property
    def failures(self) -> dict[str, int]:
        """Returns what of ours has failed."""
        return self.recorder.guards.counts()


class App:
    """An app's own tracing: a provider with an exporter of its own.

    Args:
        processors: Its other processors, before the exporter's.
        **arguments: Those of the provider.
    """

    def __init__(self, *processors: SpanProcessor, **arguments: Anything) -> None:
        """Sets it up."""
        self.exporter = InMemorySpanExporter()
        # With a resource that isn't made so, children of a fork may hang in the SDK (1.45): it takes a lock of
        # `concurrent.futures`, which that module frees in the child only after the provider's turn.
        arguments.setdefault("resource", Resource.create({"service.name": "billing"}))
        self.provider = TracerProvider(shutdown_on_exit=False, **arguments)
        for processor in processors:
            self.provider.add_span_processor(processor)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("app")

    @property
    def exported(self) -> dict[str, ReadableSpan]:
        """Returns what the exporter got, by name."""
        spans = self.exporter.get_finished_spans()
        assert len({span.name for span in spans}) == len(spans)
        return {span.name: span for span in spans}

    def context(self, name: str) -> SpanContext:
        """Returns the context of an exported span."""
        return context_of(self.exported[name])


def context_of(span: ReadableSpan) -> SpanContext:
    """Returns the context of a span that has one."""
    context = span.get_span_context()
    assert context is not None
    return context


class Seen(SpanProcessor):
    """Remembers the spans that a processor is told of, also those that no exporter gets."""

    def __init__(self) -> None:
        """Has seen nothing."""
        self.started: list[Span] = []
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: object = None) -> None:
        """Remembers a span that starts."""
        self.started.append(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Remembers a span that has ended."""
        self.ended.append(span)
