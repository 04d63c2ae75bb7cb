"""The one table of the tags and fields that all rows have.

The rows, the history and the OTLP log records are generated from it; tests check the collector's files and
docs/data-model.md against it.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from otel_job_measure import names

Kind = Literal["tag", "string", "float", "integer", "boolean"]

_IN_OUTCOME: Final = frozenset((names.FIELD_SUCCESS, names.FIELD_ERROR_TYPE, names.FIELD_ERROR_MESSAGE))


class Column(NamedTuple):
    """A tag or field of a row."""

    name: str
    """Its name in InfluxDB."""
    kind: Kind
    doc: str
    """What it means, in a sentence for people."""
    history: str = ""
    """The column of the history and the attribute of `RunRecord`, `Ending` or a row's value; empty means `name`."""
    record: str = ""
    """The attribute of an OTLP log record; empty means `name` behind `scheduling.job.`."""

    @property
    def column(self) -> str:
        """The name in the history, in `RunRecord` and in `Ending`."""
        return self.history or self.name

    @property
    def path(self) -> str:
        """Where an `Ending` has its value, for `operator.attrgetter`."""
        return f"outcome.{self.column}" if self.name in _IN_OUTCOME else self.column

    @property
    def attribute(self) -> str:
        """The name among the attributes of an OTLP log record."""
        return self.record or f"{names.ATTR_PREFIX}{self.name}"


KEY_TAGS: Final = (
    Column(names.TAG_JOB, "tag", "The job's name.", record=names.ATTR_NAME),
    Column(names.TAG_DATACENTER, "tag", "A default tag."),
    Column(names.TAG_PROJECT, "tag", "A default tag."),
    Column(names.TAG_STAGE, "tag", "A default tag."),
)
"""The tags of both measurements; they and the further tags tell which series a run belongs to."""

RUN_TAGS: Final = (
    *KEY_TAGS,
    Column(names.TAG_STATUS, "tag", "How the run ended: `end` or `failed`."),
    Column(names.TAG_REASON, "tag", "Why it failed; only on `failed`."),
)
"""The tags of `scheduling-job-run`."""

UUID: Final = Column(names.FIELD_UUID, "string", "The run's id, on all its rows.", record=names.ATTR_RUN_ID)

POINT_FIELDS: Final = (Column(names.FIELD_STATUS, "string", "`start`, then `end` or `failed`."), UUID)
"""The fields of `scheduling-job`."""

RUN_FIELDS: Final = (
    Column(names.FIELD_ATTEMPT, "integer", "Which attempt of its task the run is, from 1; only from schedulers."),
    Column(names.FIELD_DURATION, "float", "Seconds, by a monotonic clock; not on `lost`.", history="duration_s"),
    Column(names.FIELD_ERROR_MESSAGE, "string", "The exception's text; only if the settings ask for it."),
    Column(names.FIELD_ERROR_TYPE, "string", "The exception's class."),
    Column(names.FIELD_HOST, "string", "The host that it ran on."),
    Column(names.FIELD_LAG, "float", "Seconds from the due time to the start; only if known.", history="lag_s"),
    Column(names.FIELD_QUEUED, "float", "Seconds from enqueueing to the start; only if known.", history="queued_s"),
    Column(names.FIELD_SPAN_ID, "string", "The run's span, in hex; only of a sampled span of the app's provider."),
    Column(names.FIELD_SUCCESS, "float", "1.0 or 0.0; absent on `retry`, `rejected`, `revoked` and `skipped`."),
    Column(names.FIELD_TASK_ID, "string", "The scheduler's id of the task, equal on all its attempts."),
    Column(names.FIELD_TRACE_ID, "string", "The run's trace, in hex."),
    Column(names.FIELD_TRIGGER, "string", "Why it started: `schedule`, `manual`, `retry` or `message`; if known."),
    UUID,
)
"""The fields of `scheduling-job-run`, in the order of a line."""

_DUE: Final = Column(names.FIELD_DUE, "integer", "The due time, in nanoseconds since 1970.", history="due_ns")

_JOB_TAGS: Final = tuple(each for each in KEY_TAGS if each.name != names.TAG_DATACENTER)
"""A job's identity."""

MONITOR: Final[Mapping[str, tuple[Column, ...]]] = {
    names.ALIVE: (
        *KEY_TAGS,
        Column(names.FIELD_AGE, "float", "Seconds since the run's start.", history="age_s"),
        Column(names.FIELD_HOST, "string", "The host that it runs on."),
        Column(names.FIELD_INTERVAL, "float", "Seconds from one of these rows to the next.", history="interval_s"),
        UUID,
    ),
    names.EVENTS: (
        *_JOB_TAGS,
        Column(names.TAG_EVENT, "tag", "What was found: `missed`, `skipped`, `overrun`, `recovered` and the like."),
        Column(names.FIELD_DETAIL, "string", "What else is known, in words."),
        _DUE,
        UUID,
        Column(names.FIELD_WITHDRAWN, "boolean", "Whether later data refuted it."),
    ),
    names.STATES: (
        *_JOB_TAGS,
        _DUE,
        Column(names.FIELD_LEVEL, "integer", "0 ok, 1 warning, 2 critical, 3 unknown."),
        Column(names.FIELD_SINCE, "integer", "Since when, in nanoseconds since 1970.", history="since_ns"),
        Column(names.FIELD_STATE, "string", "The first state that holds."),
    ),
    names.EXPECTED: (
        *_JOB_TAGS,
        Column(names.FIELD_EXPECTED, "string", "The expectation, as JSON.", history="text"),
        Column(names.FIELD_SOURCE, "string", "What kind of source states it."),
        Column(names.FIELD_VERSION, "integer", "Which version of it, from 1."),
    ),
    names.SENDERS: (
        Column(names.TAG_HOST, "tag", "The host of the process that sends."),
        Column(
            names.FIELD_COMPLETE_UNTIL,
            "integer",
            "All its rows up to then are here; nanoseconds since 1970.",
            history="complete_until_ns",
        ),
        Column(names.FIELD_LEFT, "boolean", "Whether the process ended in order, so that its silence means nothing."),
        Column(names.FIELD_PENDING, "integer", "How many bytes of lines wait."),
    ),
}
"""The tags and fields of the monitor's rows, by their measurement; the fields are in the order of a line."""

TAG_NAMES: Final = frozenset(column.name for column in RUN_TAGS)
"""The package's own tags; every other tag of a row is a further tag."""
