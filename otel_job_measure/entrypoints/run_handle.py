"""A run as plain values, with which another process of the machine can end it."""

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from otel_job_measure import names
from otel_job_measure.errors import UsageError
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.settings.parsers import tag_names
from otel_job_measure.spans.run import Details, Job, Run

_TAGS: Final = (names.TAG_DATACENTER, names.TAG_PROJECT, names.TAG_STAGE)
_KINDS: Final = (
    (str, ("uuid", "job"), ("trigger", "task_id", "trace_id", "span_id")),
    (int, ("start_ns",), ("attempt", "scheduled_ns", "queued_ns")),
)
"""The types of a handle's needed and optional values."""
_MOST: Final = 9 * 10**18
"""No number is greater, so that InfluxDB, the history and an OTLP record can hold it; as a time it is in 2255."""
_MOST_UUID: Final = 1024
_DIGITS: Final = (("trace_id", 32), ("span_id", 16))
_is_hex = re.compile("[0-9a-f]+").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHandle:
    """A run that `JobMeasure.start` has begun, as plain values: another process of the machine can end the run with it.

    It contains no secret. It can be pickled, and `to_json` writes it as text.
    """

    uuid: str
    """The run's id, on all its points."""
    job: str
    start_ns: int
    """In nanoseconds since 1970."""
    tags: tuple[tuple[str, str], ...] = ()
    """The default tags of its rows."""
    attempt: int | None = None
    trigger: str | None = None
    task_id: str | None = None
    scheduled_ns: int | None = None
    queued_ns: int | None = None
    trace_id: str | None = None
    """In hex; None without a sampled span, like `span_id`."""
    span_id: str | None = None
    is_measured: bool = True
    """False if nothing is recorded of the run: too many were open, or measuring is turned off."""

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raises `UsageError` if the handle cannot be that of a run; unpickling does not check it."""
        for kind, needed, optional in _KINDS:
            for name in needed + optional:
                value: object = getattr(self, name)
                if not isinstance(value, kind) and (value is not None or name in needed):
                    raise UsageError(f"{name} of a RunHandle takes {kind.__name__}, and got {value!a:.100}")
                if isinstance(value, int) and not -_MOST <= value <= _MOST:
                    raise UsageError(f"{name} of a RunHandle takes a number of at most {_MOST}")
        for name, digits in _DIGITS:
            if (text := getattr(self, name)) is not None and not (len(text) == digits and _is_hex(text)):
                raise UsageError(f"{name} of a RunHandle takes {digits} digits of hex, and got {text!a:.100}")
        if not (
            self.uuid.isalnum() and self.uuid.isascii() and len(self.uuid) <= _MOST_UUID
        ):  # it becomes a line of the journal
            raise UsageError(f"a RunHandle needs the id of a run as its uuid, and got {self.uuid!a:.100}")
        if not _are_tags(self.tags):
            raise UsageError(f"tags of a RunHandle takes names and values of default tags, and got {self.tags!a:.100}")

    def to_json(self) -> str:
        """Returns the handle as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "RunHandle":
        """Returns the handle that `to_json` wrote.

        Args:
            text: The line of JSON.

        Returns:
            An equal handle.

        Raises:
            UsageError: The text is something else.
        """
        try:
            values = json.loads(text)
            known: dict[str, Any] = {each.name: values[each.name] for each in fields(cls) if each.name in values}
            known["tags"] = tuple((str(name), str(value)) for name, value in known.get("tags", ()))
            return cls(**known)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise UsageError(f"this is not a RunHandle as JSON: {text!a:.100}") from error


def _are_tags(tags: tuple[tuple[str, str], ...]) -> bool:
    try:
        own = dict(tags)
        more = tuple(name for name in own if name not in _TAGS)
        is_each_once = len(own) == len(tags) and tag_names(more) == more
        return is_each_once and {type(each) for each in own.values()} <= {str}
    except (ValueError, TypeError):
        return False


def handle_of(run: Run, *, is_measured: bool) -> RunHandle:
    """Returns the handle of a run that has begun."""
    tags = DefaultTags() if run.job is None else run.job.tags
    own = zip(_TAGS, (tags.datacenter, tags.project, tags.stage), strict=True)
    trace_id, span_id = run.trace or (None, None)
    return RunHandle(
        uuid=run.uuid,
        job=run.name,
        start_ns=run.start_ns,
        tags=(*((name, value) for name, value in own if value is not None), *tags.more),
        **run.details._asdict(),
        trace_id=None if trace_id is None else f"{trace_id:032x}",
        span_id=None if span_id is None else f"{span_id:016x}",
        is_measured=is_measured,
    )


def run_of(handle: RunHandle) -> Run:
    """Returns the run of a handle, so that this process can write its ending."""
    details = Details(handle.attempt, handle.trigger, handle.task_id, handle.scheduled_ns, handle.queued_ns)
    run = Run(handle.job, handle.uuid, details)
    run.job = Job(handle.job, tags_of(handle), {})
    run.start_ns = handle.start_ns
    if handle.trace_id and handle.span_id:
        run.trace = (int(handle.trace_id, 16), int(handle.span_id, 16))
    run.pending.pop("start")
    return run


def tags_of(handle: RunHandle) -> DefaultTags:
    """Returns the default tags of a run's rows."""
    tags = dict(handle.tags)
    datacenter, project, stage = (tags.pop(name, None) for name in _TAGS)
    return DefaultTags(datacenter, project, stage, tuple(tags.items()))
