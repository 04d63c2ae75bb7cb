"""One run of a job, from its start to its end. It needs no OpenTelemetry."""

import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_job_measure import forks, names
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.points.rows import Series
from otel_job_measure.points.run_ids import new_run_id
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.points.text import valid
from otel_job_measure.rate_limited_log import PrintableLog

if TYPE_CHECKING:
    from datetime import datetime

    from opentelemetry.trace import Span, SpanContext

    from otel_job_measure.spans.recorder import Recorder
    from otel_job_measure.spans.rules import SpanRule

_logger = PrintableLog(logging.getLogger(__name__))


class Details(NamedTuple):
    """What a scheduler knows about a run before it starts; None means unknown."""

    attempt: int | None = None
    trigger: str | None = None
    task_id: str | None = None
    scheduled_ns: int | None = None
    """When the run was due, in nanoseconds since 1970."""
    queued_ns: int | None = None
    """When the run was put into its queue, in nanoseconds since 1970."""


NO_DETAILS: Final = Details()


class Job:
    """The part of rows and spans that all runs of one job share, encoded at its first run."""

    __slots__ = ("_attributes", "_resource", "series", "span_name", "tags")

    def __init__(self, name: str, tags: DefaultTags, resource: Mapping[str, object]) -> None:
        self._resource = resource  # kept, so that no other resource gets its identity
        self.tags = tags
        self.series = Series(name, tags)
        self.span_name = f"{names.SPAN_NAME_PREFIX}{valid(name)}"
        given = {
            names.ATTR_NAME: name,
            names.ATTR_DATACENTER: tags.datacenter,
            names.ATTR_PROJECT: tags.project,
            names.ATTR_STAGE: tags.stage,
        }
        self._attributes = {attribute: valid(text) for attribute, text in given.items() if text is not None}

    def attributes(self, run: "Run") -> Mapping[str, str | int | float]:
        """Returns the attributes of a run's span at its start: enough for a collector to write the same rows.

        All texts are valid Unicode: an exporter would lose a whole batch of spans for one lone surrogate.
        """
        found: dict[str, str | int | float] = {**self._attributes, names.ATTR_RUN_ID: run.uuid}
        if run.host:
            found[names.ATTR_HOST] = valid(run.host)
        if run.details is not NO_DETAILS:
            given: dict[str, str | int | float | None] = {
                names.FIELD_ATTEMPT: run.details.attempt,
                names.FIELD_LAG: run.lag_s,
                names.FIELD_QUEUED: run.queued_s,
                names.FIELD_TRIGGER: run.details.trigger,
                names.FIELD_TASK_ID: None if run.details.task_id is None else valid(run.details.task_id),
            }
            found |= {f"{names.ATTR_PREFIX}{name}": value for name, value in given.items() if value is not None}
        return found


class Run:
    """What is known of a run, and which of its points are still to be recorded.

    Its start and its end are each recorded by the first caller: a span processor, an entry point or the garbage
    collector, on any thread. Only the process that began a run ends it.
    """

    __slots__ = (
        "_pid",
        "began_ns",
        "context",
        "details",
        "duration_s",
        "end_ns",
        "failure",
        "host",
        "job",
        "name",
        "outcome",
        "pending",
        "preface",
        "recorder",
        "rule",
        "span",
        "start_ns",
        "told",
        "trace",
        "uuid",
    )

    recorder: "Recorder"
    """Records the run; set when the run is prepared."""
    job: Job | None
    """None if the run cannot be recorded at all."""
    start_ns: int
    """In nanoseconds since 1970."""
    began_ns: int
    """The start by the monotonic clock."""
    outcome: Outcome | None
    """How it ended; None while it goes on."""
    failure: Outcome | None
    """The outcome that `fail()` reported."""
    host: str
    """Empty if the run cannot be recorded at all."""
    span: "Span | None"
    """Its span; None until the start is reported to a processor."""
    context: "SpanContext | None"
    """The context of an app-opened span, kept so that no other context gets its identity."""
    rule: "SpanRule | None"
    """The rule that recognised an app-opened span."""
    trace: tuple[int, int] | None
    """The ids of its trace and span, if the span is sampled."""
    preface: "Callable[[Run], bytes] | None"
    """Makes the comment that its journal gets before its start."""
    told: tuple[BaseException, Outcome] | None
    """What an entry point that joined the run has seen, and what it means there."""
    pending: dict[str, bool]
    """`start` and `end`, as long as they are not recorded."""

    def __init__(self, name: str, uuid: str | None = None, details: Details = NO_DETAILS) -> None:
        self.name = name
        self.uuid = uuid or new_run_id()
        self.details = details
        self._pid = os.getpid()
        self.start_ns = self.began_ns = self.end_ns = 0
        self.duration_s: float | None = None
        self.job = self.outcome = self.failure = self.span = self.context = self.rule = self.trace = None
        self.preface = self.told = None
        self.host = ""
        # Removing an item of a dict is one step for every thread, signal handler and garbage collector.
        self.pending = {"start": True, "end": True}

    @property
    def is_of_this_process(self) -> bool:
        """Whether this process began it, and not the process that this one was forked from."""
        return self._pid == os.getpid()

    @property
    def lag_s(self) -> float | None:
        """Seconds from the due time to the start."""
        return self._since(self.details.scheduled_ns)

    @property
    def queued_s(self) -> float | None:
        """Seconds from the queue to the start."""
        return self._since(self.details.queued_ns)

    def _since(self, time_ns: int | None) -> float | None:
        return None if time_ns is None else max(self.start_ns - time_ns, 0) / 1e9


class JobRun:
    """A run as the job inside it sees it."""

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def uuid(self) -> str:
        """The run's id, which all its points have: 12 characters of shortuuid's alphabet."""
        return self._run.uuid

    @property
    def name(self) -> str:
        """The job's name."""
        return self._run.name

    @property
    def started(self) -> "datetime":
        """When the run began, in UTC."""
        with forks.fork_gate():
            from datetime import UTC, datetime, timedelta  # noqa: PLC0415 - `exec` never needs it

        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._run.start_ns // 1000)

    def fail(self, message: str | None = None) -> None:
        """Marks the run as failed although the job raises nothing; a later exception takes precedence.

        Args:
            message: The reason, for people; it is recorded only if `OTEL_JOB_MEASURE_ERROR_MESSAGE` is on.
        """
        run = self._run
        if run.outcome is not None:
            _logger.warning("fail() of a run of %r was called after its end; it changes nothing", run.name)
            return
        run.failure = Outcome(reason=names.REASON_ERROR, error_message=message)

    def __repr__(self) -> str:
        return f"<JobRun {self.name!r} {self.uuid}>"
