"""`measure.start(…, key=…)` and `measure.finish(key)`: a start and its end in two callbacks, threads or processes."""

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, cast

from opentelemetry.context import Context, get_current
from opentelemetry.trace import INVALID_SPAN, Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation import set_span_in_context
from opentelemetry.util.types import AttributeValue

from otel_job_measure import names
from otel_job_measure.entrypoints.run_handle import RunHandle, handle_of, run_of, tags_of
from otel_job_measure.errors import MisuseError, UsageError
from otel_job_measure.expectations.arguments import Limits
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.points.rows import Series, start_line
from otel_job_measure.spans.active_run import ActiveRun, Opener
from otel_job_measure.spans.naming import usable_name
from otel_job_measure.spans.outcome import outcome_of
from otel_job_measure.spans.reasons import NO_REASONS, Reasons
from otel_job_measure.spans.run import NO_DETAILS, Details
from otel_job_measure.spans.span_options import PLAIN_SPAN, SpanOptions

MOST_OPEN: Final = 10_000
"""How many runs of one `JobMeasure` may be open by key in a process; a start beyond that is refused."""
_KEPT_ENDED: Final = 1024
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)  # not that of `timestamps`: one module less for each process with jobs


class RunOptions(Limits, total=False):
    """What a scheduler knows about a run, all optional. A wrong value is logged and left out.

    The limits are those of the job, as for the decorator.
    """

    kind: SpanKind
    """The span's kind; CONSUMER if the job came from a queue."""
    context: Context
    """Contains the span's parent; by default the current context."""
    links: Sequence[Link]
    attributes: Mapping[str, AttributeValue]
    """Of the span, beside those of every run."""
    scheduled_at: datetime
    """When the run was due, with a time zone; `scheduled_ns` is the same in nanoseconds since 1970."""
    scheduled_ns: int
    queued_at: datetime
    """When the run was put into its queue, with a time zone; `queued_ns` is the same in nanoseconds since 1970."""
    queued_ns: int
    attempt: int
    """From 1."""
    trigger: str
    """`schedule`, `manual`, `retry` or `message`."""
    task_id: str
    """The scheduler's id, equal on all attempts of a task."""
    expected: tuple[type[BaseException], ...]
    """Exceptions that do not count as a failure of the job."""


@dataclass(slots=True)
class _Registry:
    """The open runs of one process; each access is one step of a dict, so it needs no lock."""

    by_key: dict[Hashable, ActiveRun] = field(default_factory=dict[Hashable, ActiveRun])
    keys: dict[str, Hashable] = field(default_factory=dict[str, Hashable])
    """The keys of open runs by uuid."""
    ended: dict[str, None] = field(default_factory=dict[str, None])
    """The uuids that were finished last, so that a second `finish` of a handle is noticed."""


class KeyedRuns:
    """The runs of one `JobMeasure` that were started by key. A child of fork begins with none."""

    def __init__(
        self,
        opener: Opener,
        most_open: int = MOST_OPEN,
        *,
        opens: "Callable[[Opener, str, RunOptions], ActiveRun] | None" = None,
    ) -> None:
        guards = opener.recorder.guards
        self._opener = opener
        self._opens = opens or partial(open_run, joins=False)
        self._most_open = most_open
        self._registries: dict[int, _Registry] = {}
        self._guard = guards("starting or finishing a run by key")
        self._overflow = guards("starting one more run by key")
        self._repeated = guards("starting a run whose key is open")
        self._unknown = guards("finishing a run by a key that is not open")

    def start(self, name: object, key: Hashable, options: RunOptions) -> RunHandle:
        """Starts a run, or returns the handle of the run that is open under this key."""
        with self._guard:
            if self._is_usable(key):
                return self._start(name, key, options)
        return RunHandle(uuid="2" * 12, job=names.UNNAMED, start_ns=0, is_measured=False)

    def finish(
        self, key: Hashable | RunHandle, error: BaseException | None = None, outcome: Outcome | None = None
    ) -> bool:
        """Ends a run; returns whether this call did."""
        with self._guard:
            if outcome is not None and not isinstance(cast("object", outcome), Outcome):
                self._guard.caught(UsageError(f"outcome= takes an Outcome, and got {type(outcome).__name__}"))
                outcome = None
            if not self._is_usable(key):
                return False
            registry, run = self._registry(), None
            try:
                run = self._take(registry, key)
                if run is not None:
                    run.finish(error, outcome)
                    return True
            except BaseException:  # an interruption of the job
                if run is not None:
                    run.finish(error, outcome)
                raise
            if not isinstance(key, RunHandle) or key.uuid in registry.ended:
                self._unknown.caught(MisuseError(f"not started in this process, or finished already: {key!r:.200}"))
                return False
            return key.is_measured and self._finish_held(registry, key, error, outcome)
        return False

    def find(self, key: Hashable) -> ActiveRun | None:
        """Returns the run that is open under a key."""
        return self._registry().by_key.get(key)

    def hold(self, handle: RunHandle) -> None:
        """Keeps another process's run open for this process to end."""
        with self._guard:
            if handle.is_measured and handle.uuid not in self._registry().keys:
                handle.check()
                start = start_line(Series(handle.job, tags_of(handle)), handle.uuid, handle.start_ns)
                self._opener.recorder.journal().hold(handle.uuid, start)

    def release(self, handle: RunHandle) -> None:
        """Leaves a run's ending to another process; its span ends here."""
        with self._guard:
            registry = self._registry()
            run = self._take(registry, handle)
            if run is not None:
                registry.ended.pop(handle.uuid, None)
                run.let_go()
            if handle.is_measured:
                handle.check()
                self._opener.recorder.journal().release(handle.uuid)

    def context(self, key: Hashable | RunHandle) -> Context:
        """Returns a context in which the run's span is current; the present context if there is no such span."""
        with self._guard:
            registry = self._registry()
            run = registry.by_key.get(registry.keys.get(key.uuid) if isinstance(key, RunHandle) else key)
            if run is not None:
                return run.context()
            if isinstance(key, RunHandle) and key.trace_id and key.span_id:
                ids = int(key.trace_id, 16), int(key.span_id, 16)
                parent = SpanContext(*ids, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
                return set_span_in_context(NonRecordingSpan(parent))
        return get_current()

    def _is_usable(self, key: Hashable) -> bool:
        try:
            hash(key)
        except TypeError:
            self._guard.caught(MisuseError(f"key {key!r:.200} is not hashable; the run is not measured"))
            return False
        return True

    def _start(self, name: object, key: Hashable, options: RunOptions) -> RunHandle:
        registry = self._registry()
        found = registry.by_key.get(key)
        if found is None:
            run = self._opens(self._opener, usable_name(name, "the name given to start()"), options)
            if len(registry.by_key) >= self._most_open:
                self._overflow.caught(MisuseError(f"{self._most_open} runs are open; was finish() not called?"))
                return handle_of(run.run, is_measured=False)
            found = registry.by_key.setdefault(key, run)
            if found is run:
                return self._begin(registry, key, run)
        # The integration may have registered its callbacks twice: the first run goes on.
        self._repeated.caught(MisuseError(f"key {key!r:.200} is open; the first run with it goes on"))
        return handle_of(found.run, is_measured=not self._opener.disabled)

    def _begin(self, registry: _Registry, key: Hashable, run: ActiveRun) -> RunHandle:
        try:
            registry.keys[run.run.uuid] = key
            run.begin()
        except BaseException as error:  # an interruption of the job
            self._take(registry, key)
            run.finish(error)
            raise
        if run.run.job is None:  # nothing is recorded of it
            self._take(registry, key)
        return handle_of(run.run, is_measured=run.run.job is not None)

    def _take(self, registry: _Registry, key: Hashable | RunHandle) -> ActiveRun | None:
        """Removes an open run from the registry and notes it as ended."""
        if isinstance(key, RunHandle):
            if key.uuid not in registry.keys:
                return None
            key = registry.keys[key.uuid]
        run = registry.by_key.pop(key, None)
        if run is not None:
            registry.keys.pop(run.run.uuid, None)
            _note(registry, run.run.uuid)
        return run

    def _finish_held(
        self, registry: _Registry, handle: RunHandle, error: BaseException | None, outcome: Outcome | None
    ) -> bool:
        """Writes the ending of another process's run; its duration is the difference of the timestamps."""
        handle.check()
        recorder = self._opener.recorder
        run = run_of(handle)
        run.recorder = recorder
        end_ns = recorder.journal().stamp(after_ns=run.start_ns)
        recorder.set_outcome(run, outcome or (ENDED if error is None else outcome_of(error)), end_ns=end_ns)
        _note(registry, handle.uuid)
        self._opener.processor.ended(run, INVALID_SPAN)
        return True

    def _registry(self) -> _Registry:
        pid = os.getpid()
        found = self._registries.get(pid)
        if found is None:
            found = self._registries.setdefault(pid, _Registry())
            for other in self._registries.keys() - {pid}:  # the parent's
                self._registries.pop(other, None)
        return found


def open_run(  # noqa: PLR0913 - what its callers know of a run
    opener: Opener,
    name: str,
    options: RunOptions,
    *,
    joins: bool = True,
    foreign: Span | None = None,
    reasons: Reasons = NO_REASONS,
) -> ActiveRun:
    """Returns a run that has not begun yet, with the options that can be used."""
    span, details = PLAIN_SPAN, NO_DETAILS
    if limits := {limit: value for limit, value in options.items() if limit in names.LIMITS}:
        opener.declare(name, limits)
    try:
        kind = options.get("kind", SpanKind.INTERNAL)
        attributes = options.get("attributes")
        if attributes is not None and not isinstance(cast("object", attributes), Mapping):
            opener.reading.caught(UsageError(f"attributes= of a run cannot be {attributes!r:.100}; it is left out"))
            attributes = None
        span = SpanOptions(
            kind=kind,
            context=options.get("context"),
            links=options.get("links"),
            attributes=attributes,
            foreign=foreign,
        )
        details = _details(opener, options)
    except Exception as error:  # noqa: BLE001 - no memory, or an object that raises when it is compared
        opener.guard.keep(error)
    expected = options.get("expected", ())
    return opener.open(name, expected=expected, span=span, details=details, reasons=reasons, joins=joins)


def _details(opener: Opener, options: RunOptions) -> Details:
    attempt, trigger, task_id = options.get("attempt"), options.get("trigger"), options.get("task_id")
    found: dict[str, object] = {}
    given: dict[str, tuple[object, bool]] = {
        "attempt": (attempt, isinstance(attempt, int) and attempt >= 1),
        "trigger": (trigger, trigger in names.TRIGGERS),
        "task_id": (task_id, isinstance(task_id, str)),
    }
    for which in ("scheduled", "queued"):
        time_ns = _time_ns(options.get(f"{which}_at"), options.get(f"{which}_ns"))
        given[f"{which}_ns"] = (time_ns, isinstance(time_ns, int))
    for name, (value, is_right) in given.items():
        if value is not None and not is_right:
            opener.reading.caught(UsageError(f"{name}= of a run cannot be {value!r:.100}; it is left out"))
        elif value is not None:
            found[name] = value
    return Details(**found) if found else NO_DETAILS  # type: ignore[arg-type]


def _time_ns(at: object, time_ns: object) -> object:
    if isinstance(at, datetime) and at.tzinfo is not None:
        return (at - _EPOCH) // timedelta(microseconds=1) * 1000
    return time_ns if at is None else at


def _note(registry: _Registry, uuid: str) -> None:
    registry.ended[uuid] = None
    if len(registry.ended) > 2 * _KEPT_ENDED:
        for old in list(registry.ended)[:_KEPT_ENDED]:
            registry.ended.pop(old, None)
