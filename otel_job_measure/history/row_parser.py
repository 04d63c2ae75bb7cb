"""Reads segments for the history: each line by one regular expression, or by the line protocol's parser.

The package's own lines fit the expressions, which take a third of the parser's time. Other valid lines of runs give the
same result more slowly. The first part of a line, measurement and tags, is parsed once for each series.
"""

import contextlib
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.history.run_record import OLD_ROW, OUTCOMES, RUN_ROW, VALUES, Batch, Key, ending_of, key_of
from otel_job_measure.journal.kept_output import BEGIN, decode
from otel_job_measure.points.fields import RUN_FIELDS, UUID
from otel_job_measure.points.line_protocol import parse
from otel_job_measure.points.outcome import Ending

_KEPT: Final = 8 * 1024 * 1024
"""How many characters of first parts are remembered: those of 10,000 jobs, of which each has up to four."""
_LONGEST: Final = 64 * 1024
"""A line with more characters is not this package's. A row has the texts of at most four lines, and must hold them."""
_PATTERNS: Final = {
    "string": r'"(?P<{name}>[^"\\]*+)"',
    "float": r"(?P<{name}>-?[0-9]++(?:\.[0-9]++)?(?:e[-+]?[0-9]{{1,2}})?)",
    "integer": r"(?P<{name}>-?[0-9]{{1,18}})i",
}
_TYPES: Final[dict[str, Callable[[str], Any]]] = {"string": str, "float": float, "integer": int}
_CONVERTERS: Final = [(each.name, each.column, _TYPES[each.kind]) for each in VALUES]
_FIELDS: Final = "".join(
    f"(?:{each.name}={_PATTERNS[each.kind].format(name=each.name)},)?" for each in RUN_FIELDS if each is not UUID
)
_TAGS: Final = r"[^ ]++(?:(?<=\\) [^ ]*+)*+"  # up to a space that no backslash escapes
_END: Final = rf'{names.FIELD_UUID}="(?P<uuid>[0-9A-Za-z]+)" (?P<time>[1-8][0-9]{{18}})'  # from 2001 to 2255
_STATUS: Final = rf'{names.FIELD_STATUS}="(?P<status>start|end|failed)",'
_point_row = re.compile(rf"(?P<head>{names.POINTS},{_TAGS}) {_STATUS}{_END}").fullmatch
_run_row = re.compile(rf"(?P<head>{names.RUNS},{_TAGS}) {_FIELDS}{_END}").fullmatch
_RUN_ROW: Final = f"{names.RUNS},"


class _Head(NamedTuple):
    """What the first part of a line says: the series, and of a run row the reason."""

    key: Key
    reason: str | None


class LineReader:
    """Reads lines, and remembers what their first parts say."""

    def __init__(self) -> None:
        self._heads: dict[str, _Head | None] = {}
        self._room = _KEPT

    def read(self, data: bytes, batch: Batch) -> None:
        """Puts whole lines into a batch; lines of other programs are ignored."""
        for line in data.decode("utf-8", "replace").split("\n"):
            if not line or line[0] == "#" or len(line) > _LONGEST:
                if line.startswith(BEGIN) and (kept := decode(line)) is not None:
                    batch.outputs.append(kept)
                continue
            is_run_row = line.startswith(_RUN_ROW)
            found = _run_row(line) if is_run_row else _point_row(line)
            if found is None:
                _take_other(line, batch)
            elif is_run_row:
                self._take_run_row(found, batch)
            else:
                self._take_point(found, batch)

    def _take_point(self, found: re.Match[str], batch: Batch) -> None:
        text, status, uuid, time = found.groups()
        head = self._head(text, names.POINTS)
        if head is None:
            return
        run = batch.run(uuid, head.key)
        if status == names.STATUS_START:
            run.start(int(time), batch.host)
        else:
            run.end(Ending(uuid, OUTCOMES[status], int(time)), OLD_ROW)

    def _take_run_row(self, found: re.Match[str], batch: Batch) -> None:
        texts = found.groupdict()
        head, uuid = self._head(texts["head"], names.RUNS), texts["uuid"]
        if head is None:
            return
        values = {column: convert(text) for name, column, convert in _CONVERTERS if (text := texts[name]) is not None}
        batch.run(uuid, head.key).end(ending_of(uuid, int(texts["time"]), head.reason, values), RUN_ROW)

    def _head(self, text: str, measurement: str) -> _Head | None:
        if text in self._heads:
            return self._heads[text]
        self._room -= len(text)
        if self._room < 0:  # job names that never repeat
            self._heads.clear()
            self._room = _KEPT
        head = self._heads[text] = _head_of(text, measurement)
        return head


def _head_of(text: str, measurement: str) -> _Head | None:
    """Returns what the first part of a line says; None if it cannot begin a row of a run."""
    try:
        tags = parse(f"{text} x=0".encode()).tags
    except LineProtocolError:
        return None
    status = tags.get(names.TAG_STATUS)
    if names.TAG_JOB not in tags or (measurement == names.RUNS and status not in OUTCOMES):
        return None
    return _Head(key_of(tags), tags.get(names.TAG_REASON, "") if status == names.STATUS_FAILED else None)


def _take_other(line: str, batch: Batch) -> None:
    with contextlib.suppress(LineProtocolError):
        batch.take(parse(line.encode()))
