"""A run as its rows tell it, whatever the order in which they arrive."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.points.fields import RUN_FIELDS, TAG_NAMES
from otel_job_measure.points.line_protocol import FieldValue, Point
from otel_job_measure.points.monitor_rows import row_of
from otel_job_measure.points.outcome import ENDED, Ending, Outcome

if TYPE_CHECKING:
    from otel_job_measure.journal.kept_output import KeptOutput
    from otel_job_measure.points.monitor import MonitorRow

RUNNING: Final = "running"
"""The status of a run that is still open."""

OLD_ROW: Final = 1
"""The ending's row of `scheduling-job` is known."""
RUN_ROW: Final = 2
"""The ending's row of `scheduling-job-run` is known."""

VALUES: Final = tuple(each for each in RUN_FIELDS if each.name not in {names.FIELD_UUID, names.FIELD_SUCCESS})
"""The fields of a run row that are kept as they are; `success` follows from status and reason."""
values_of: Final = attrgetter(*(each.path for each in VALUES))
"""Returns the values of an ending, in the order of `VALUES`."""

FAILED_SOMEHOW: Final = Outcome(reason="")
"""The outcome of a failed run of which only the old row is known, which has no reason."""


class Key(NamedTuple):
    """The series of a run: two projects that share a state directory may use the same uuid."""

    job: str
    datacenter: str | None
    project: str | None
    stage: str | None
    tags: str
    """The further tags, as JSON with sorted keys."""


def key_of(tags: Mapping[str, str]) -> Key:
    """Returns the series that a row's tags name."""
    return _key_of(tuple(tags.items()))


@lru_cache(maxsize=1024)
def _key_of(items: tuple[tuple[str, str], ...]) -> Key:
    tags = dict(items)
    further = {name: tags[name] for name in sorted(tags) if name not in TAG_NAMES}
    return Key(
        job=tags.get(names.TAG_JOB, ""),
        datacenter=tags.get(names.TAG_DATACENTER),
        project=tags.get(names.TAG_PROJECT),
        stage=tags.get(names.TAG_STAGE),
        tags=json.dumps(further, ensure_ascii=False, separators=(",", ":")),
    )


def ending_of(uuid: str, end_ns: int, reason: str | None, values: Mapping[str, Any]) -> Ending:
    """Returns an ending from the values of its columns."""
    others = dict(values)
    error_type, message = others.pop(names.FIELD_ERROR_TYPE, None), others.pop(names.FIELD_ERROR_MESSAGE, None)
    return Ending(uuid, Outcome(reason, error_type, message), end_ns, **others)


class Known(NamedTuple):
    """An ending, and which of its rows are known."""

    ending: Ending
    rows: int

    @property
    def is_sure(self) -> bool:
        """Whether this ending cannot be a lost one; the old row of those looks like that of any failure."""
        reason = self.ending.outcome.reason
        return reason is None or (self.rows & RUN_ROW > 0 and reason != names.REASON_LOST)

    @property
    def rank(self) -> tuple[bool, bool, bool, int]:
        """Orders the endings of a run: the greatest is the truest. Recovery only guesses that a run was lost."""
        reason = self.ending.outcome.reason
        return reason != names.REASON_LOST, self.rows & RUN_ROW > 0, reason is None, self.ending.end_ns

    def merged(self, ending: Ending, rows: int) -> "Known":
        """Returns what this and other rows of the same time say together."""
        if self.rows & RUN_ROW and rows == OLD_ROW:
            return Known(self.ending, OLD_ROW | RUN_ROW)
        # The text makes the result independent of the order, should two rows of one kind contradict each other.
        fuller = max(self, Known(ending, rows), key=lambda each: (each.rows & RUN_ROW, repr(each.ending)))
        return Known(fuller.ending, self.rows | rows)


class Run:
    """Everything that is known of one run."""

    __slots__ = ("destination", "endings", "host", "key", "started_ns", "uuid")

    def __init__(self, uuid: str, key: Key) -> None:
        self.uuid = uuid
        self.key = key
        self.started_ns: int | None = None
        self.host: str | None = None
        """Where it started, from the header of the segment; a start row does not tell."""
        self.destination: str | None = None
        """The destination that its rows were written for."""
        self.endings: dict[int, Known] = {}
        """By their times."""

    @property
    def settled(self) -> bool:
        """Whether the run is complete: it has a start and an ending that is not a guess."""
        return self.started_ns is not None and any(known.is_sure for known in self.endings.values())

    def start(self, time_ns: int, host: str | None = None) -> None:
        """Takes a start; of several different ones, the first in time counts."""
        self.started_ns = time_ns if self.started_ns is None else min(self.started_ns, time_ns)
        self.host = self.host or host

    def end(self, ending: Ending, rows: int) -> None:
        """Takes an ending, or a part of one."""
        before = self.endings.get(ending.end_ns)
        self.endings[ending.end_ns] = Known(ending, rows) if before is None else before.merged(ending, rows)

    def take(self, other: "Run") -> None:
        """Takes everything that another one knows of the same run."""
        if other.started_ns is not None:
            self.start(other.started_ns, other.host)
        self.destination = self.destination or other.destination
        for known in other.endings.values():
            self.end(known.ending, known.rows)

    def truest(self) -> Known:
        """Returns the truest ending; the run has one."""
        if len(self.endings) == 1:
            return next(iter(self.endings.values()))
        return self.ranked()[0]

    def ranked(self) -> list[Known]:
        """Returns the endings, the truest first. A lost run that came back has two."""
        return sorted(self.endings.values(), key=lambda each: each.rank, reverse=True)


Place = tuple[str, Key]
"""A run's uuid and series, which identify it."""


class Batch:
    """The runs that some rows tell of, and the monitor's rows among them."""

    def __init__(self) -> None:
        self.runs: dict[Place, Run] = {}
        self.outputs: list[KeptOutput] = []
        self.monitor: list[MonitorRow] = []
        self.host: str | None = None
        """The host of the rows that are read now."""
        self.destination: str | None = None
        """Their destination."""

    def run(self, uuid: str, key: Key) -> Run:
        """Returns the run of a row."""
        found = self.runs.get((uuid, key))
        if found is None:
            found = self.runs[uuid, key] = Run(uuid, key)
            found.destination = self.destination
        return found

    def take(self, point: Point) -> None:
        """Takes a point; one of another program is ignored."""
        if (row := row_of(point)) is not None:
            self.monitor.append(row)
            return
        uuid, job, time_ns = point.fields.get(names.FIELD_UUID), point.tags.get(names.TAG_JOB), point.time_ns
        if not job or not uuid or not isinstance(uuid, str) or time_ns is None:
            return
        is_run_row = point.measurement == names.RUNS
        status = (point.tags if is_run_row else point.fields).get(names.TAG_STATUS)
        if is_run_row and status in {names.STATUS_END, names.STATUS_FAILED}:
            reason = None if status == names.STATUS_END else point.tags.get(names.TAG_REASON, "")
            found = ((each.column, right(point.fields.get(each.name), each.kind)) for each in VALUES)
            values = {column: value for column, value in found if value is not None}
            self.run(uuid, key_of(point.tags)).end(ending_of(uuid, time_ns, reason, values), RUN_ROW)
        elif point.measurement == names.POINTS and status == names.STATUS_START:
            self.run(uuid, key_of(point.tags)).start(time_ns, self.host)
        elif point.measurement == names.POINTS and status in OUTCOMES:
            self.run(uuid, key_of(point.tags)).end(Ending(uuid, OUTCOMES[status], time_ns), OLD_ROW)


OUTCOMES: Final[Mapping[object, Outcome]] = {names.STATUS_END: ENDED, names.STATUS_FAILED: FAILED_SOMEHOW}
"""What the status of an old row says of the outcome."""


def right(value: FieldValue | None, kind: str) -> FieldValue | None:
    """Returns the value of a field; None if it is missing or has another type."""
    if kind == "float" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    wanted = int if kind == "integer" else str
    return value if isinstance(value, wanted) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run as its rows tell it; None means unknown.

    Args:
        uuid: Its id.
        job: The job's name.
        datacenter: A default tag.
        project: A default tag.
        stage: A default tag.
        tags: The further tags (`OTEL_JOB_MEASURE_TAGS`).
        started_ns: When it started, in ns since 1970.
        ended_ns: When it ended; None while it is running.
        status: `running`, `end` or `failed`.
        reason: Why it failed; None also if only `scheduling-job` was written.
        duration_s: How long it took, in seconds: as measured, else from its start to its end; None if it was lost.
        host: Where it ran.
        attempt: Which attempt of its task it was, from 1.
        lag_s: How long after its due time it started, in seconds.
        queued_s: How long it waited in a queue, in seconds.
        trigger: Why it started: `schedule`, `manual`, `retry` or `message`.
        task_id: The scheduler's id of its task, equal on all attempts.
        trace_id: Its trace, in hex.
        span_id: Its span, in hex.
        error_type: The exception's class.
        error_message: The exception's text, if `OTEL_JOB_MEASURE_ERROR_MESSAGE` was on.
    """

    uuid: str
    job: str
    datacenter: str | None = None
    project: str | None = None
    stage: str | None = None
    tags: Mapping[str, str]
    started_ns: int | None = None
    ended_ns: int | None = None
    status: str
    reason: str | None = None
    duration_s: float | None = None
    host: str | None = None
    attempt: int | None = None
    lag_s: float | None = None
    queued_s: float | None = None
    trigger: str | None = None
    task_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    error_type: str | None = None
    error_message: str | None = None

    @property
    def job_id(self) -> JobId:
        """The identity of its job."""
        return JobId(self.job, self.project or "", self.stage or "")

    @classmethod
    def from_points(cls, points: Iterable[Point]) -> "list[RunRecord]":
        """Returns the runs that points tell of, in the order of their first points.

        Args:
            points: Rows of both measurements; other points are ignored.
        """
        batch = Batch()
        for point in points:
            batch.take(point)
        return [record_of(run) for run in batch.runs.values()]


def as_told(
    started_ns: int | None, ended_ns: int | None, status: str, reason: str | None, duration_s: float | None
) -> tuple[str, str | None, float | None]:
    """Returns the status, the reason and the duration that people are told, from those of a row."""
    if ended_ns is None:
        return RUNNING, None, None
    # The constants: each row has a text of its own.
    status, reason = (names.STATUS_END, None) if status == names.STATUS_END else (names.STATUS_FAILED, reason or None)
    if duration_s is None and started_ns is not None and reason != names.REASON_LOST:
        duration_s = (ended_ns - started_ns) / 1e9
    return status, reason, duration_s


def record_of(run: Run) -> RunRecord:
    """Returns what people want to know of a run."""
    known = _texts_of(run.key)
    key = known | {"tags": known["tags"].copy()}
    if not run.endings:
        return RunRecord(uuid=run.uuid, **key, started_ns=run.started_ns, status=RUNNING, host=run.host)
    ending = run.truest().ending
    outcome = ending.outcome
    status, reason, duration_s = as_told(
        run.started_ns, ending.end_ns, outcome.status, outcome.reason, ending.duration_s
    )
    return RunRecord(
        uuid=run.uuid,
        **key,
        started_ns=run.started_ns,
        ended_ns=ending.end_ns,
        status=status,
        reason=reason,
        duration_s=duration_s,
        host=ending.host or run.host,
        attempt=ending.attempt,
        lag_s=ending.lag_s,
        queued_s=ending.queued_s,
        trigger=ending.trigger,
        task_id=ending.task_id,
        trace_id=ending.trace_id,
        span_id=ending.span_id,
        error_type=outcome.error_type,
        error_message=outcome.error_message,
    )


@lru_cache(maxsize=1024)
def _texts_of(key: Key) -> dict[str, Any]:
    """Returns the values of a series as a `RunRecord` has them."""
    return key._asdict() | {"tags": json.loads(key.tags)}
