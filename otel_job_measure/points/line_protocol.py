r"""Line protocol, encoded, and parsed as InfluxDB 2 reads it.

The parts of a line have different rules. In a measurement, a tag and a field's key, a backslash escapes only a comma, a
space or (except in a measurement) an equals sign, and is itself before everything else. In a string it escapes a quote
and a backslash. Looking for the line's end, InfluxDB 2 takes every backslash for an escape of the next character: of
`\\\\` followed by a space and later by `=` or `,` it misreads the end.
"""

import functools
import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from otel_job_measure.errors import LineProtocolError
from otel_job_measure.points.text import escape_tag, quote

FieldValue = str | float | int | bool

RESERVED_TAGS: Final = frozenset({"time", "_field", "_measurement", "\0"})
"""What InfluxDB itself refuses as the name of a tag."""

_MIN_INT, _MAX_INT, _MAX_UINT = -(2**63), 2**63 - 1, 2**64 - 1
_MIN_TIME, _MAX_TIME = _MIN_INT + 2, _MAX_INT - 1

_doubled_before_space = re.compile(r"(?<!\\)(?:\\\\)++ ").search
_doubled_before_separator = re.compile(r"(?<!\\)(?:\\\\)++[,=]").search
_unescape_tag = re.compile(r"\\([, =])").sub
_unescape_other = re.compile(r'\\([, ="])').sub
_unescape_string = re.compile(r'\\(["\\])').sub
_bare_space = re.compile(r"(?<!\\) ").search
_bare_equals = re.compile(r"(?<!\\)=").search
_split_tags = re.compile(r"(?<!\\),").split
# Key, string (without its quotes), any other value, and what comes next.
_field = re.compile(
    r'((?:[^\\=, \n]++|\\[^\n])++)=(?:"((?:[^"\\]++|\\.)*+)"|([^", \n][^, \n]*+))([, ]|\Z)',
    re.DOTALL,
).match
_integer = re.compile(r"-?[0-9]++i|[0-9]++u").fullmatch
_float = re.compile(r"-?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?").fullmatch
_time = re.compile(r"[ \t\0]*+(?:(-?[0-9]++) *+)?").fullmatch
_BOOLEANS = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}
_BLANK = " \t\0"


class Point(NamedTuple):
    """A point as its line says it."""

    measurement: str
    tags: Mapping[str, str]
    """None of the values is empty."""
    fields: Mapping[str, FieldValue]
    """At least one; unsigned integers are integers here."""
    time_ns: int | None = None
    """Nanoseconds since 1970; None if the line leaves the time to the server."""


def encode(point: Point) -> bytes:
    """Returns a point as one physical line without a newline at its end; it changes nothing.

    It raises a `LineProtocolError` if there is no line that InfluxDB reads as this point; `text` makes texts fit.
    """
    tags = sorted((_tag_text(key), _tag_text(value)) for key, value in point.tags.items())
    head = "".join([_measurement_text(point.measurement), *(f",{key}={value}" for key, value in tags)])
    if _is_misread(head) or any(r"\ " in key or key in RESERVED_TAGS for key in point.tags):
        raise LineProtocolError(f"InfluxDB refuses or misreads these tags: {dict(point.tags)!a}")
    if not point.fields:
        raise LineProtocolError("a point needs at least one field")
    fields = ",".join(f"{_field_text(key)}={_value_text(point.fields[key])}" for key in sorted(point.fields))
    if "\n" in head or "\n" in fields:
        raise LineProtocolError(f"a point is one physical line, and this one holds a newline: {point!a}")
    line = f"{head} {fields}" if point.time_ns is None else f"{head} {fields} {_checked_time(point.time_ns)}"
    try:
        return line.encode()
    except UnicodeEncodeError as error:
        raise LineProtocolError(f"not valid Unicode: {line!a}") from error


def parse(line: bytes) -> Point:
    """Reads one line, with or without a newline at its end, as InfluxDB does.

    Raises:
        LineProtocolError: It is not line protocol, or a comment or blank, which are no points.
    """
    try:
        text = line.decode().removesuffix("\n").lstrip(_BLANK)
    except UnicodeDecodeError as error:
        raise LineProtocolError(f"not UTF-8: {line!r}") from error
    space = _bare_space(text, 1)
    if not text or text[0] in "#," or space is None:
        raise LineProtocolError(f"no point: {line!r}")
    end = space.start()
    measurement, tags = _parse_key(text[:end])
    fields, end = _parse_fields(text, end)
    time = _time(text, end)
    if time is None:
        raise LineProtocolError(f"no timestamp: {text[end:]!a}")
    time_ns = None if time[1] is None else _checked_time(_number(time[1]))
    return Point(measurement=measurement, tags=dict(tags), fields=fields, time_ns=time_ns)


def lines(data: bytes) -> list[bytes]:
    """Returns the lines of points in physical lines, without newlines, comments and blank lines."""
    return [line for line in data.split(b"\n") if (start := line.lstrip(b" \t\0")) and start[:1] != b"#"]


def _is_misread(head: str) -> bool:
    space = _doubled_before_space(head)
    return space is not None and _doubled_before_separator(head, space.end()) is not None


def _measurement_text(measurement: str) -> str:
    if not measurement or measurement[0] in "#\t\0" or "\\" in measurement:
        raise LineProtocolError(f"no name of a measurement: {measurement!a}")
    return measurement.replace(",", r"\,").replace(" ", r"\ ")


def _tag_text(text: str) -> str:
    if not text or text.endswith("\\"):
        raise LineProtocolError(f"empty or with a backslash at its end: {text!a}")
    return escape_tag(text)


def _field_text(key: str) -> str:
    if key.startswith(("\t", "\0")):  # InfluxDB passes over them
        raise LineProtocolError(f"no key of a field: {key!a}")
    return _tag_text(key)


def _value_text(value: FieldValue) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return quote(value)
        case int() if _MIN_INT <= value <= _MAX_INT:
            return f"{value}i"
        case int() if _MAX_INT < value <= _MAX_UINT:
            return f"{value}u"
        case float() if math.isfinite(value):
            return repr(value)
        case _:
            raise LineProtocolError(f"InfluxDB has no such value: {value!a}")


def _number(digits: str) -> int:
    try:
        return int(digits)
    except ValueError as error:  # of thousands of digits Python makes no number
        raise LineProtocolError(f"a number of {len(digits)} digits") from error


def _checked_time(time_ns: int) -> int:
    if not _MIN_TIME <= time_ns <= _MAX_TIME:
        raise LineProtocolError(f"time outside of what 64 bits hold: {time_ns}")
    return time_ns


@functools.lru_cache(maxsize=1024)
def _parse_key(key: str) -> tuple[str, Mapping[str, str]]:
    """Returns measurement and tags; a job's rows all have the same few keys."""
    if "\n" in key:
        raise LineProtocolError(f"a newline outside of a string: {key!a}")
    measurement, *parts = _split_tags(key)
    tags: dict[str, str] = {}
    for part in parts:
        equals = _bare_equals(part)
        if equals is None or equals.start() == 0 or equals.end() == len(part):
            raise LineProtocolError(f"no tag: {part!a}")
        # The first character of a value may be an equals sign without an escape, and only the first.
        if _bare_equals(part, equals.end() + 1):
            raise LineProtocolError(f"an equals sign too many: {part!a}")
        name = _unescape_tag(r"\1", part[: equals.start()])
        if name in tags or name in RESERVED_TAGS:
            raise LineProtocolError(f"twice, or reserved by InfluxDB: {name!a}")
        tags[name] = _unescape_tag(r"\1", part[equals.end() :])
    return _unescape_other(r"\1", measurement), tags


def _parse_fields(text: str, start: int) -> tuple[dict[str, FieldValue], int]:
    """Returns the fields that begin there, after blanks, and where what follows them begins."""
    fields: dict[str, FieldValue] = {}
    start = len(text) - len(text[start:].lstrip(_BLANK))
    while True:
        found = _field(text, start)
        if found is None:
            raise LineProtocolError(f"no field: {text[start:]!a}")
        key, string, bare, following = found.groups()
        if "\\" in key:
            key = _field_key(key)
        if string is None:
            fields[key] = _bare_value(bare)
        else:
            fields[key] = _unescape_string(r"\1", string) if "\\" in string else string
        start = found.end()
        if following != ",":
            return fields, start


def _field_key(text: str) -> str:
    if text.endswith("\\"):  # InfluxDB itself is of two minds about this one
        raise LineProtocolError(f"a backslash at the end of a field's key: {text!a}")
    return _unescape_other(r"\1", text)


def _bare_value(text: str) -> FieldValue:
    if _float(text):
        if math.isfinite(value := float(text)):
            return value
    elif text in _BOOLEANS:
        return _BOOLEANS[text]
    elif _integer(text):
        number, highest = _number(text[:-1]), _MAX_INT if text[-1] == "i" else _MAX_UINT
        if _MIN_INT <= number <= highest:
            return number
    raise LineProtocolError(f"no value of a field: {text!a}")
