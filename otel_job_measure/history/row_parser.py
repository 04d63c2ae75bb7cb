r"""From lines to runs: our own lines by one regular expression, all others by the real parser.

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
from otel_job_measure.history.run_record import OLD_ROW, RUN_ROW, Ending, Key
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
_TAIL: Final = 34
"""How many characters a line of ours ends with that change from run to run: a uuid in quotes, a space and a time."""
_AT_ONCE: Final = 64 * 1024
"""Bytes of lines that are looked at together: no other thread gets the interpreter meanwhile."""
_BEFORE_RUN_ROW: Final = f"\n{names.RUNS},".encode()

# Up to a space that no backslash stands before. A run of anything but one character is what `re` is fastest at; where
# that goes on into the next line, nobody knows such a beginning. Without a bound, of many lines without a space each
# would be read to the end of them all.
_HEAD = r"[^ ]{1,2000}+(?:(?<=\\) [^ ]{0,2000}+)*+"
_TEXT = r'"([^"\\\n]*+)"'
_UUID = r'"([0-9A-Za-z]{12})"'
_TIME = r"([1-8][0-9]{18})"  # from 2001 to 2255
_rows_of = re.compile(
    rf'({names.POINTS},{_HEAD} {names.FIELD_STATUS}="[a-z]++",{names.FIELD_UUID}=){_UUID} {_TIME}\n'
    rf"|(({names.RUNS},{_HEAD}) {names.FIELD_DURATION}=(-?[0-9]++(?:\.[0-9]++)?(?:e[-+]?[0-9]{{1,2}})?),"
    rf"(?:{names.FIELD_ERROR_MESSAGE}={_TEXT},)?(?:{names.FIELD_ERROR_TYPE}={_TEXT},)?(?:{names.FIELD_HOST}={_TEXT},)?"
    rf'(?:{names.FIELD_SPAN_ID}="([0-9a-f]{{16}})",)?{names.FIELD_SUCCESS}=[01]\.0,'
    rf'(?:{names.FIELD_TRACE_ID}="([0-9a-f]{{32}})",)?{names.FIELD_UUID}={_UUID} {_TIME})\n'
    rf'(?:({names.POINTS},{_HEAD} {names.FIELD_STATUS}="[a-z]++",{names.FIELD_UUID}=)"\12" \13\n)?'
    r"|([^\n]*+)\n?"
).findall
"""Gives of each old row, of each run row with the old row after it, and of each other line what is in its groups."""


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
        begin = 0
        while begin < len(data):
            # Before a run row, where there is one: it and the old row after it tell all that there is to say.
            least, most = begin + _AT_ONCE, begin + 2 * _AT_ONCE
            end = data.find(_BEFORE_RUN_ROW, least, most) + 1 or data.find(b"\n", most) + 1 or len(data)
            self._read(data[begin:end].decode("utf-8", "replace"), batch)
            begin = end

    def _read(self, text: str, batch: Batch) -> None:
        start, end, known = batch.start, batch.end, self._old.get
        for row in _rows_of(text):
            if not (head := row[0]):
                self._run_row(row, batch)
            elif (old := known(head)) is None:
                self._other_lines(f'{head}"{row[1]}" {row[2]}', batch)
            elif old.status == names.STATUS_START:
                start((row[1], old.key), int(row[2]))
            else:
                end((row[1], old.key), Ending(int(row[2]), OLD_ROW, old.status))

    def _run_row(self, row: Sequence[str], batch: Batch) -> None:
        """Takes a run row and the old row after it, or a line of another shape."""
        _, _, _, line, head, duration, message, error_type, host, span_id, trace_id, uuid, time, old_head, other = row
        known = self._run.get(head)
        if known is None or (old_head and self._old.get(old_head) != known.old):
            self._other_lines(line or other, batch)
            if old_head:
                self._other_lines(f'{old_head}"{uuid}" {time}', batch)
            return
        old, reason, columns, ended = known
        place = (uuid, old.key)
        rows = RUN_ROW | OLD_ROW if old_head else RUN_ROW
        time_ns, duration_s = int(time), float(duration)
        started_ns = None if reason == names.REASON_LOST else batch.starts.pop(place, None)
        if started_ns is not None:
            texts = (host, trace_id, span_id, error_type, message)
            whole = (*columns, uuid, started_ns, time_ns, *ended, duration_s, *texts, rows)
            if place not in batch.runs and batch.whole.setdefault(place, whole) is whole:
                return
            batch.starts[place] = started_ns
        details = (text or None for text in (host, trace_id, span_id, error_type, message))
        batch.end(place, Ending(time_ns, rows, old.status, reason, duration_s, *details))

    def _other_lines(self, lines: str, batch: Batch) -> None:
        for line in lines.split("\n"):
            self._other_line(line, batch)

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
            if head.endswith(f' {names.FIELD_STATUS}="{status}",{names.FIELD_UUID}='):
                self._old[head] = _Old(key, status)
            return
        head = head.partition(f" {names.FIELD_DURATION}=")[0]
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
