"""What InfluxDB's generations say about the lines of a write: tables of patterns, and the clues in their words.

A pattern of a table matches from the beginning of the text. So a line that the server quotes cannot pass for the
server's own words. Every pattern takes time in proportion to the text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from itertools import islice
from typing import Final, cast

_UNPARSABLE: Final = "unable to parse '"
_PARTIAL: Final = r"(?:failure writing points to database: )?partial write: "
_MOST_NUMBERS: Final = 20_000


class Meaning(Enum):
    """What an answer is about."""

    LINES = "lines"
    """Some lines, or all; the others are good."""
    EXPIRED = "expired"
    """Lines that are older than the retention."""
    REQUEST = "request"
    """The request: its address, its parameters, its rights. No line is at fault."""


_TABLE: Final = (
    # 1.8: `points beyond`; 1.13 and 2: `dropped N points outside`
    (re.compile(rf"{_PARTIAL}(?:dropped \d+ )?points (?:outside|beyond) retention policy").match, Meaning.EXPIRED),
    # 3: Dedicated and Clustered
    (
        re.compile(r"[\w :]{0,100}data in table [^\n]{1,1000}? is outside of the retention period").match,
        Meaning.EXPIRED,
    ),
    (re.compile(r"[\w :]{0,100}outside of the retention period").match, Meaning.EXPIRED),
    # 1 and 2
    (re.compile(rf"(?:{_PARTIAL})?{_UNPARSABLE}").match, Meaning.LINES),
    (re.compile(r"failure writing points to database: |partial write: ").match, Meaning.LINES),
    # 3: Core and Enterprise 3.0-3.2, 3.4-3.8, 3.9-3.10, 3.11, and `accept_partial`
    (re.compile(r"(?:write buffer error: )?parsing failed for write_lp endpoint").match, Meaning.LINES),
    (re.compile(r"(?:write buffer error: )?parsing for line protocol failed").match, Meaning.LINES),
    (re.compile(r"(?:write buffer error: )?line protocol (?:parse failed|parsing error)").match, Meaning.LINES),
    (re.compile(r"(?:write buffer error: )?invalid column type for column ").match, Meaning.LINES),
    (re.compile(r"partial write of line protocol occurred").match, Meaning.LINES),
    # 3: Serverless, Dedicated; Clustered
    (
        re.compile(r"partial write has occurred|failed to parse line protocol|errors encountered on line\(s\)").match,
        Meaning.LINES,
    ),
    (re.compile(r"[\w :]{0,100}column [^\n]{1,1000}? is type \w+ but write has type ").match, Meaning.LINES),
    # Every generation, about the request
    (re.compile(r"Please provide either orgID or org|(?:missing|no) org|invalid org").match, Meaning.REQUEST),
    (re.compile(r"invalid precision|Client sent an HTTP request to an HTTPS server").match, Meaning.REQUEST),
    (re.compile(r"invalid character in database|db name |database is required|bucket name ").match, Meaning.REQUEST),
    (
        re.compile(r"retention policy not found|database not found|unable to parse authentication").match,
        Meaning.REQUEST,
    ),
)

_find_conflict = re.compile(
    r'input field "([^"]++)" on measurement "([^"]++)" is type (\w++), already exists as type \w'
    r"|invalid column type for column '([^']++)', expected [\w:]++, got ([\w:]++)"
    r"|column (\S++) is type \w++ but write has type (\w++)"
).search
_find_lines = re.compile(r"\bline (\d{1,9})(?: \(1-based\):?|:) ?([^\n]*+)").finditer
_find_list = re.compile(r"on line\(s\):\s*+(\d{1,9}(?:,\s*+\d{1,9})*+)").search
_dropped = re.compile(r" dropped=(\d{1,9})(?: for database: [^\n]*+)?\s*+").fullmatch
_find_bound = re.compile(
    r"(?:Lower Bound at|minimum acceptable timestamp is) (\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?"
    r" ?(Z|UTC|[+-]\d\d:\d\d)"
).search
_TYPES: Final = {
    "integer": "integer",
    "unsigned": "integer",
    "uinteger": "integer",
    "i64": "integer",
    "u64": "integer",
    "float": "float",
    "f64": "float",
    "string": "string",
    "boolean": "boolean",
    "bool": "boolean",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A field that has another type in the database."""

    name: str
    measurement: str | None
    """None if the server does not name it."""
    type_: str
    """The type in the refused lines: `integer`, `float`, `string` or `boolean`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """A line that the server names by its number."""

    message: str = ""
    """The server's words about this line; empty if they are those about all."""
    begins: str = ""
    """How the server says that the line begins; empty if it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clues:
    """What an answer tells of the lines that it refuses."""

    quoted: tuple[str, ...] = ()
    """What follows `unable to parse '` for each unreadable line: the line, `': ` and the reason; secrets unmasked."""
    numbered: Mapping[int, Numbered] = field(default_factory=dict[int, Numbered])
    """By the number of the line, from 1."""
    conflict: Conflict | None = None
    dropped: int | None = None
    """How many lines were refused; None if unknown. Lines that have expired as well may be missing."""
    bound_ns: int | None = None
    """The start of the retention, in ns since 1970; None if unknown."""


def meaning_of(text: str) -> Meaning | None:
    """Returns what the words are about; None if they are no words of any InfluxDB."""
    return next((meaning for match, meaning in _TABLE if match(text)), None)


def clues_in(text: str, data: object = None) -> Clues:
    """Returns what words about lines tell; `data` is the line, or the list of lines, that version 3 can add to them."""
    numbered = _numbered(data) or _numbers(text)
    of_a_line = (_find_conflict(each.message) for each in numbered.values())
    conflict = _find_conflict(text) or next(filter(None, of_a_line), None)
    at = text.rfind(" dropped=")
    dropped = _dropped(text, at) if at >= 0 else None
    return Clues(
        quoted=tuple(text.partition(_UNPARSABLE)[2].split(f"\n{_UNPARSABLE}")) if _is_quoting(text) else (),
        numbered=numbered,
        conflict=None if conflict is None else _conflict(conflict),
        dropped=None if dropped is None else int(dropped[1]),
        bound_ns=_bound_ns(text),
    )


_is_quoting = re.compile(rf"(?:{_PARTIAL})?{_UNPARSABLE}").match


def _conflict(found: re.Match[str]) -> Conflict | None:
    name, type_ = found[1] or found[4] or found[6], found[3] or found[5] or found[7]
    known = _TYPES.get(type_.rpartition(":")[2])
    return None if known is None else Conflict(name=name, measurement=found[2], type_=known)


def _numbers(text: str) -> dict[int, Numbered]:
    numbered = {int(found[1]): Numbered(message=found[2]) for found in islice(_find_lines(text), _MOST_NUMBERS)}
    if not numbered and (listed := _find_list(text)):
        numbered = {int(number): Numbered() for number in listed[1].split(",", _MOST_NUMBERS)[:_MOST_NUMBERS]}
    return numbered


def _numbered(data: object) -> dict[int, Numbered]:
    numbered: dict[int, Numbered] = {}
    listed = cast("list[object]", data) if isinstance(data, list) else [data]
    for each in listed[:_MOST_NUMBERS]:
        entry = cast("dict[str, object]", each) if isinstance(each, dict) else {}
        number, message, begins = (entry.get(key) for key in ("line_number", "error_message", "original_line"))
        if isinstance(number, int):
            numbered[number] = Numbered(
                message=message if isinstance(message, str) else "", begins=begins if isinstance(begins, str) else ""
            )
    return numbered


def _bound_ns(text: str) -> int | None:
    found = _find_bound(text)
    if found is None:
        return None
    whole, fraction, zone = found.groups(default="")
    try:
        seconds = int(datetime.fromisoformat(whole + zone.replace("UTC", "Z")).timestamp())
    except ValueError:
        return None
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0"))
