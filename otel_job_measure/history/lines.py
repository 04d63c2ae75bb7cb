r"""From lines to runs: our own lines by one regular expression, all others by the real parser.

The parser takes several microseconds a line; what we write ourselves has a known shape, and a history that is far
behind has millions of lines. What the expression does not know, however valid it is, goes to the parser.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from otel_job_measure import names
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.history.record import OLD_ROW, RUN_ROW, Ending, Key, Run
from otel_job_measure.points import FieldValue, Point
from otel_job_measure.points.line_protocol import parse

Runs = dict[tuple[str, Key], Run]
"""Runs by uuid and key."""

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
# The measurement and the tags end at the first space that has no backslash before it.
_HEAD = r"[^ \n]++(?:(?<=\\) [^ \n]*+)*+"
_TEXT = r'"([^"\\\n]*+)"'
_TIME = r"([1-8][0-9]{18})"  # from 2001 to 2255
_OLD = rf"{names.POINTS},{_HEAD}"
_RUN = rf"{names.RUNS},{_HEAD}"
# A run row and the old row after it are read at once where the second one says the same.
_own_lines = re.compile(
    rf"^(?:({_OLD}) {names.FIELD_STATUS}=\"({'|'.join(_STATUSES)})\",{names.FIELD_UUID}={_TEXT} {_TIME}"
    rf"|({_RUN}) (?:{names.FIELD_DURATION}=(-?[0-9]++(?:\.[0-9]++)?(?:e[-+]?[0-9]++)?),)?"
    rf"(?:{names.FIELD_ERROR_MESSAGE}={_TEXT},)?(?:{names.FIELD_ERROR_TYPE}={_TEXT},)?"
    rf"(?:{names.FIELD_HOST}={_TEXT},)?(?:{names.FIELD_SPAN_ID}={_TEXT},)?"
    rf"{names.FIELD_SUCCESS}=[01]\.0,(?:{names.FIELD_TRACE_ID}={_TEXT},)?{names.FIELD_UUID}={_TEXT} {_TIME}"
    rf"(?:\n({_OLD}) {names.FIELD_STATUS}=\"(end|failed)\",{names.FIELD_UUID}=\"\12\" \13$)?"
    r"|([^\n]++))$",
    re.MULTILINE,
).finditer


class LineReader:
    """Reads lines, and remembers what the tags that it has read mean: a job's rows all have the same few."""

    def __init__(self) -> None:
        """Remembers nothing yet."""
        self._heads: dict[str, tuple[Key, str, str | None] | None] = {}

    def read(self, data: bytes, runs: Runs) -> None:
        """Puts what lines say into runs.

        Args:
            data: Whole lines; comments, other measurements and what is no line protocol are passed over.
            runs: What is known so far, and gets to know more.
        """
        if len(self._heads) > _KEPT:
            self._heads.clear()
        for match in _own_lines(data.decode("utf-8", "replace")):
            found = match.groups("")
            if found[0]:
                self._old_row(found[0], found[1], found[2], int(found[3]), runs)
            elif found[4]:
                self._run_row(found, runs)
            elif found[15][0] != "#":
                _take_other_line(found[15], runs)

    def _old_row(self, head: str, status: str, uuid: str, time_ns: int, runs: Runs) -> None:
        known = self._head(head)
        if known is None or not uuid:
            return
        key = known[0]
        run = runs.get((uuid, key))
        if run is None:
            run = runs[uuid, key] = Run(key, uuid)
        if status == names.STATUS_START:
            run.start(time_ns)
        else:
            run.end(Ending(time_ns, OLD_ROW, status))

    def _run_row(self, found: tuple[str, ...], runs: Runs) -> None:
        head, duration, message, error_type, host, span_id, trace_id, uuid, time, old_head, old_status = found[4:15]
        known = self._head(head)
        if known is None or not uuid or known[1] not in _STATUSES[1:]:
            return
        key, status, reason = known
        rows = RUN_ROW
        if old_head:
            old = self._head(old_head)
            if old is not None and old[0] == key and old_status == status:
                rows = RUN_ROW | OLD_ROW
            else:
                self._old_row(old_head, old_status, uuid, int(time), runs)
        run = runs.get((uuid, key))
        if run is None:
            run = runs[uuid, key] = Run(key, uuid)
        run.end(
            Ending(
                int(time),
                rows,
                status,
                reason,
                float(duration) if duration else None,
                host or None,
                trace_id or None,
                span_id or None,
                error_type or None,
                message or None,
            )
        )

    def _head(self, head: str) -> tuple[Key, str, str | None] | None:
        """Returns what a line's tags say: the key, and the run row's status and reason; None where they are bad."""
        try:
            return self._heads[head]
        except KeyError:
            pass
        try:
            tags = parse(f"{head} x=0".encode()).tags
        except LineProtocolError:
            known = None
        else:
            known = _key(tags), tags.get(names.TAG_STATUS, ""), tags.get(names.TAG_REASON)
            known = known if names.TAG_JOB in tags else None
        self._heads[head] = known
        return known


def further_tags(text: str) -> Mapping[str, str]:
    """Returns the tags that a key has besides those of every row, from their text."""
    tags: dict[str, str] = json.loads(text)
    return tags


def _key(tags: Mapping[str, str]) -> Key:
    more = {name: tags[name] for name in sorted(tags) if name not in _OWN_TAGS}
    return Key(
        tags.get(names.TAG_JOB, ""),
        tags.get(names.TAG_DATACENTER),
        tags.get(names.TAG_PROJECT),
        tags.get(names.TAG_STAGE),
        json.dumps(more, ensure_ascii=False, separators=(",", ":")),
    )


def _take_other_line(line: str, runs: Runs) -> None:
    """Takes a line that is not as we write them; what is no row of a run is passed over."""
    try:
        point = parse(line.encode())
    except LineProtocolError:
        return
    uuid = point.fields.get(names.FIELD_UUID)
    if names.TAG_JOB not in point.tags or not uuid or not isinstance(uuid, str) or point.time_ns is None:
        return
    run = Run(_key(point.tags), uuid)
    status = point.fields.get(names.FIELD_STATUS)
    if point.measurement == names.RUNS and point.tags.get(names.TAG_STATUS) in _STATUSES[1:]:
        run.end(_ending(point, point.time_ns))
    elif point.measurement == names.POINTS and status == names.STATUS_START:
        run.start(point.time_ns)
    elif point.measurement == names.POINTS and status in _STATUSES:
        run.end(Ending(point.time_ns, OLD_ROW, str(status)))
    else:
        return
    known = runs.setdefault((uuid, run.key), run)
    if known is not run:
        known.take(run)


def _ending(point: Point, time_ns: int) -> Ending:
    duration = point.fields.get(names.FIELD_DURATION)
    return Ending(
        time_ns,
        RUN_ROW,
        point.tags[names.TAG_STATUS],
        point.tags.get(names.TAG_REASON),
        float(duration) if isinstance(duration, (int, float)) else None,
        *(
            _text(point.fields.get(name))
            for name in (
                names.FIELD_HOST,
                names.FIELD_TRACE_ID,
                names.FIELD_SPAN_ID,
                names.FIELD_ERROR_TYPE,
                names.FIELD_ERROR_MESSAGE,
            )
        ),
    )


def _text(value: FieldValue | None) -> str | None:
    return value if isinstance(value, str) else None
