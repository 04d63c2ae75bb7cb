r"""From lines to runs: our own lines by what they begin and end with, all others by the real parser.

The parser takes many microseconds a line; what we write ourselves has a known shape, and a history that is far behind
has millions of lines. All rows of a job begin alike, up to what changes from run to run: the parser reads such a
beginning once. What does not look like that, however valid it is, goes to the parser each time.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.history.batch import SUCCESS, Batch
from otel_job_measure.history.record import OLD_ROW, RUN_ROW, Ending, Key
from otel_job_measure.points import FieldValue, Point
from otel_job_measure.points.line_protocol import parse

_KEPT: Final = 4096
_STATUSES: Final = (names.STATUS_START, names.STATUS_END, names.STATUS_FAILED)
_OWN_TAGS: Final = frozenset(
    (
        names.TAG_JOB,
        names.TAG_DATACENTER,
        names.TAG_PROJECT,
        names.TAG_STAGE,
        names.TAG_STATUS,
        names.TAG_REASON,
    )
)
# What each line of ours ends with: a uuid, and a time from 2001 to 2255.
_TAIL: Final = 33
_UUID: Final = 12
_TIME: Final = 14
_is_tail = re.compile(r'[0-9A-Za-z]{12}" [1-8][0-9]{18}').fullmatch
_TEXT = r'"([^"\\]*+)"'
_DURATION = f" {names.FIELD_DURATION}="
_fields_of = re.compile(
    rf"(-?[0-9]++(?:\.[0-9]++)?(?:e[-+]?[0-9]++)?),(?:{names.FIELD_ERROR_MESSAGE}={_TEXT},)?"
    rf"(?:{names.FIELD_ERROR_TYPE}={_TEXT},)?(?:{names.FIELD_HOST}={_TEXT},)?(?:{names.FIELD_SPAN_ID}={_TEXT},)?"
    rf'{names.FIELD_SUCCESS}=[01]\.0,(?:{names.FIELD_TRACE_ID}={_TEXT},)?{names.FIELD_UUID}="'
).fullmatch


class _Old(NamedTuple):
    """What the old rows say that begin alike, up to their uuid."""

    key: Key
    status: str


class _RunHead(NamedTuple):
    """What the run rows say that begin alike, up to their fields."""

    old: _Old
    """What the old row after it says, where it tells of the same ending."""
    reason: str | None
    columns: tuple[str, ...]
    """The columns of the key, with an empty text for None."""
    ended: tuple[str, str, float]
    """Status, reason and success, the same way."""


class LineReader:
    """Reads lines, and remembers what their beginnings mean: a job's rows all have the same few."""

    def __init__(self) -> None:
        """Remembers nothing yet."""
        self._old: dict[str, _Old] = {}
        self._run: dict[str, _RunHead] = {}

    def read(self, data: bytes, batch: Batch) -> None:
        """Puts what lines say into a batch.

        Args:
            data: Whole lines; comments, other measurements and what is no line protocol are passed over.
            batch: What is known so far, and gets to know more.
        """
        if len(self._old) + len(self._run) > _KEPT:
            self._old.clear()
            self._run.clear()
        lines = data.decode("utf-8", "replace").split("\n")
        joined, start = -1, batch.start
        for at, line in enumerate(lines):
            if at == joined:
                continue
            tail = line[-_TAIL:]
            if not _is_tail(tail):
                self._other_line(line, batch)
            elif (old := self._old.get(line[:-_TAIL])) is not None:
                place, time_ns = (tail[:_UUID], old.key), int(tail[_TIME:])
                if old.status == names.STATUS_START:
                    start(place, time_ns)
                else:
                    batch.end(place, Ending(time_ns, OLD_ROW, old.status))
            elif self._run_row(line, tail, lines[at + 1] if at + 1 < len(lines) else "", batch):
                joined = at + 1

    def _run_row(self, line: str, tail: str, following: str, batch: Batch) -> bool:
        """Takes a run row; returns whether the line after it is its old row, and taken too."""
        head, _, fields = line[:-_TAIL].partition(_DURATION)
        known = self._run.get(head)
        match = None if known is None else _fields_of(fields)
        if known is None or match is None:
            self._other_line(line, batch)
            return False
        old, reason, columns, ended = known
        uuid = tail[:_UUID]
        place = (uuid, old.key)
        is_joined = following.endswith(tail) and self._old.get(following[:-_TAIL]) == old
        rows = RUN_ROW | OLD_ROW if is_joined else RUN_ROW
        duration, message, error_type, host, span_id, trace_id = match.groups("")
        time_ns, duration_s = int(tail[_TIME:]), float(duration)
        started_ns = None if reason == names.REASON_LOST else batch.starts.pop(place, None)
        if started_ns is not None:
            texts = (host, trace_id, span_id, error_type, message)
            whole = (*columns, uuid, started_ns, time_ns, *ended, duration_s, *texts, rows)
            if place not in batch.runs and batch.whole.setdefault(place, whole) is whole:
                return is_joined
            batch.starts[place] = started_ns
        details = (text or None for text in (host, trace_id, span_id, error_type, message))
        batch.end(place, Ending(time_ns, rows, old.status, reason, duration_s, *details))
        return is_joined

    def _other_line(self, line: str, batch: Batch) -> None:
        """Takes a line by the parser, and remembers its beginning where it is one of ours."""
        if not line or line[0] == "#":
            return
        point = take_other_line(line, batch)
        if point is None:
            return
        head, key = line[:-_TAIL], _key(point.tags)
        if point.measurement == names.POINTS:
            status = str(point.fields[names.FIELD_STATUS])
            if head.endswith(f' {names.FIELD_STATUS}="{status}",{names.FIELD_UUID}="'):
                self._old[head] = _Old(key, status)
            return
        head = head.partition(_DURATION)[0]
        if _tags(head) == point.tags:
            status, reason = point.tags[names.TAG_STATUS], point.tags.get(names.TAG_REASON)
            columns = tuple(text or "" for text in key)
            self._run[head] = _RunHead(_Old(key, status), reason, columns, (status, reason or "", SUCCESS[status]))


def take_other_line(line: str, batch: Batch) -> Point | None:
    """Takes a line of any shape, by the parser.

    Args:
        line: The line; what is no row of a run is passed over.
        batch: What gets to know what it says.

    Returns:
        Its point; None where it was passed over.
    """
    try:
        point = parse(line.encode())
    except LineProtocolError:
        return None
    uuid = point.fields.get(names.FIELD_UUID)
    if names.TAG_JOB not in point.tags or not uuid or not isinstance(uuid, str) or point.time_ns is None:
        return None
    place = (uuid, _key(point.tags))
    status = point.fields.get(names.FIELD_STATUS)
    if point.measurement == names.RUNS and point.tags.get(names.TAG_STATUS) in _STATUSES[1:]:
        batch.end(place, _ending(point, point.time_ns))
    elif point.measurement == names.POINTS and status == names.STATUS_START:
        batch.start(place, point.time_ns)
    elif point.measurement == names.POINTS and status in _STATUSES:
        batch.end(place, Ending(point.time_ns, OLD_ROW, str(status)))
    else:
        return None
    return point


def further_tags(text: str) -> Mapping[str, str]:
    """Returns the tags that a key has besides those of every row, from their text."""
    tags: dict[str, str] = json.loads(text)
    return tags


def _tags(head: str) -> Mapping[str, str] | None:
    """Returns what a line's beginning says if the tags end with it; None where they cannot."""
    try:
        return parse(f"{head} x=0".encode()).tags
    except LineProtocolError:
        return None


def _key(tags: Mapping[str, str]) -> Key:
    more = {name: tags[name] for name in sorted(tags) if name not in _OWN_TAGS}
    return Key(
        tags.get(names.TAG_JOB, ""),
        tags.get(names.TAG_DATACENTER),
        tags.get(names.TAG_PROJECT),
        tags.get(names.TAG_STAGE),
        json.dumps(more, ensure_ascii=False, separators=(",", ":")),
    )


def _ending(point: Point, time_ns: int) -> Ending:
    duration = point.fields.get(names.FIELD_DURATION)
    texts: Sequence[str] = (
        names.FIELD_HOST,
        names.FIELD_TRACE_ID,
        names.FIELD_SPAN_ID,
        names.FIELD_ERROR_TYPE,
        names.FIELD_ERROR_MESSAGE,
    )
    return Ending(
        time_ns,
        RUN_ROW,
        point.tags[names.TAG_STATUS],
        point.tags.get(names.TAG_REASON),
        float(duration) if isinstance(duration, (int, float)) else None,
        *(_text(point.fields.get(name)) for name in texts),
    )


def _text(value: FieldValue | None) -> str | None:
    return value if isinstance(value, str) else None
