"""The one table of the tags and fields that the rows of a run have.

The rows, the history and the OTLP log records are generated from it; tests check the collector's files and
docs/data-model.md against it.
"""

from typing import Final, Literal, NamedTuple

from otel_job_measure import names

Kind = Literal["tag", "string", "float", "integer"]

_SQL_TYPES: Final[dict[Kind, str]] = {"tag": "TEXT", "string": "TEXT", "float": "REAL", "integer": "INTEGER"}
_IN_OUTCOME: Final = frozenset((names.FIELD_SUCCESS, names.FIELD_ERROR_TYPE, names.FIELD_ERROR_MESSAGE))


class Column(NamedTuple):
    """A tag or field of a row."""

    name: str
    """Its name in InfluxDB."""
    kind: Kind
    doc: str
    """What it means, in a sentence for people."""
    history: str = ""
    """The column of the history and the attribute of `RunRecord` and `Ending`; empty means `name`."""
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

    @property
    def sql_type(self) -> str:
        """The type of its column in the history."""
        return _SQL_TYPES[self.kind]


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

TAG_NAMES: Final = frozenset(column.name for column in RUN_TAGS)
"""The package's own tags; every other tag of a row is a further tag."""
