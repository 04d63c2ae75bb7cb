"""The rows of a run, as lines: one at its start, two at its end."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

from otel_job_measure import names
from otel_job_measure.points.fields import RUN_FIELDS, UUID, Column
from otel_job_measure.points.outcome import Ending
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.points.text import MAX_BYTES, clean_field, clean_tag, escape_tag, quote

_KEPT: Final = 1024
_SURELY_SHORT: Final = 256  # no character takes more than four bytes
_is_plain: Final = re.compile(r"[0-9A-Za-z_.:-]{1,256}").fullmatch
_EMPTY: Final = '""'
_IDENTITY: Final = frozenset((names.TAG_JOB, names.TAG_PROJECT, names.TAG_STAGE))
_STATUS: Final = names.FIELD_STATUS
_UUID: Final = names.FIELD_UUID
_known: "dict[tuple[str, DefaultTags], Series]" = {}
"""Threads, signal handlers and the garbage collector use only single operations of this dict."""


class Series:
    """The part of the rows that all runs of one job with the same tags share, encoded once.

    Args:
        job: The job's name, any string; an empty one is `unnamed`.
        tags: The default tags.
    """

    __slots__ = ("_run_heads", "_tags", "head")

    def __init__(self, job: str, tags: DefaultTags) -> None:
        values = {
            **dict(tags.more),
            names.TAG_JOB: job or names.UNNAMED,
            names.TAG_DATACENTER: tags.datacenter,
            names.TAG_PROJECT: tags.project,
            names.TAG_STAGE: tags.stage,
        }
        self._tags = [(_tag(name), _tag(value)) for name, value in values.items() if value]
        self._run_heads: dict[str | None, str] = {}
        self.head = _head(names.POINTS, self._tags)
        """A row of `scheduling-job` up to its fields."""

    def run_head(self, reason: str | None) -> str:
        """Returns a row of `scheduling-job-run` up to its fields."""
        known = self._run_heads.get(reason)
        if known is not None:
            return known
        status = names.STATUS_END if reason is None else names.STATUS_FAILED
        own = [(names.TAG_STATUS, status)]
        if reason is not None:
            own.append((names.TAG_REASON, _tag(reason or names.REASON_ERROR)))
        head = _head(names.RUNS, [*self._tags, *own])
        if reason is None or reason in names.REASONS:  # a rule of the user's may return any number of other texts
            self._run_heads[reason] = head
        return head

    def event_head(self, event: str) -> str:
        """Returns a row of `scheduling-job-event` up to its fields; it has no tags but those of a job's identity."""
        own = [(name, value) for name, value in self._tags if name in _IDENTITY]
        return _head(names.EVENTS, [*own, (names.TAG_EVENT, _tag(event))])


def series(job: str, tags: DefaultTags) -> Series:
    """Returns the series of a job, remembered for its next run."""
    found = _known.get((job, tags))
    if found is None:
        found = Series(job, tags)
        if len(job) <= MAX_BYTES:  # a thousand longer names would fill the memory
            if len(_known) >= _KEPT:  # job names that never repeat
                _known.clear()
            _known[job, tags] = found
    return found


def start_line(series: Series, uuid: str, time_ns: int) -> bytes:
    """Returns the row of a run's start, with its newline."""
    return _status_row(series, names.STATUS_START, _tail(uuid, time_ns)).encode()


def ending_lines(series: Series, ending: Ending, *, run_row: bool, error_message: bool) -> bytes:
    """Returns the rows of a run's ending, each with its newline, first the run row if there is one."""
    outcome, tail = ending.outcome, _tail(ending.uuid, ending.end_ns)
    row = _status_row(series, outcome.status, tail)
    if run_row:
        columns, values_of = _ALL_FIELDS if error_message else _FIELDS
        fields = series.run_head(outcome.reason) + " "
        for (name, encode), value in zip(columns, values_of(ending), strict=True):
            if value is not None and (text := encode(value)):
                fields += f"{name}{text},"
        row = f"{fields}{tail}{row}"
    return row.encode()


def event_line(series: Series, event: str, due_ns: int, detail: str) -> bytes:
    """Returns the row of something that happened beside a run, stamped at its due time, with its newline.

    It has the bytes that `monitor_rows.line_of` gives of such an `Event`, and needs less to be loaded.
    """
    fields = f"{names.FIELD_DETAIL}={_string(detail) or _EMPTY},{names.FIELD_DUE}={_integer(due_ns)},"
    return f"{series.event_head(event)} {fields}{names.FIELD_WITHDRAWN}=false {due_ns}\n".encode()


def _status_row(series: Series, status: str, tail: str) -> str:
    return f'{series.head} {_STATUS}="{status}",{tail}'


def _tail(uuid: str, time_ns: int) -> str:
    """Returns the end of a row: the uuid is the last field of both measurements."""
    return f"{_UUID}={_string(uuid) or _EMPTY} {time_ns}\n"


def _head(measurement: str, tags: Iterable[tuple[str, str]]) -> str:
    return "".join([measurement, *(f",{name}={value}" for name, value in sorted(tags))])


def _tag(text: str) -> str:
    return escape_tag(clean_tag(text))


def _string(value: str) -> str:
    if (value.isalnum() and len(value) <= _SURELY_SHORT) or _is_plain(value):  # ids; hosts, classes of exceptions
        return f'"{value}"'
    return quote(clean_field(value)) if value else ""


def _float(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""  # InfluxDB refuses the whole row for such a number


def _integer(value: int) -> str:
    return f"{value:d}i" if value.bit_length() < 64 else ""  # noqa: PLR2004 - InfluxDB's integers


_ENCODERS: Final[dict[str, Callable[[Any], str]]] = {"string": _string, "float": _float, "integer": _integer}

_Fields = tuple[Sequence[tuple[str, Callable[[Any], str]]], Callable[[Ending], Sequence[Any]]]


def _fields_of(columns: Iterable[Column]) -> _Fields:
    """Returns names with encoders, and a function that gets their values from an ending."""
    wanted = [column for column in columns if column is not UUID]
    return [(f"{each.name}=", _ENCODERS[each.kind]) for each in wanted], attrgetter(*(each.path for each in wanted))


_ALL_FIELDS: Final = _fields_of(RUN_FIELDS)
_FIELDS: Final = _fields_of(each for each in RUN_FIELDS if each.name != names.FIELD_ERROR_MESSAGE)
