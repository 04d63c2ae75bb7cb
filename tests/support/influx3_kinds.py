"""What each kind of InfluxDB 3 answers to a write, by its documents or source, named beside each answer.

The words of the line parser are those of the real parser (tests/servers/lp3.sh).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple

_MOST_NAMED: Final = (
    100  # documents of Serverless and Dedicated: "error details about rejected points, up to 100 points"
)


class Answer(NamedTuple):
    """An answer: its status and the JSON of its body; None for an empty one."""

    status: int
    content: object = None


class Bad(NamedTuple):
    """A line that is refused."""

    number: int
    """From 1; empty lines and comments do not count."""
    text: str
    reason: str
    is_conflict: bool = False
    """Whether it can be read, and a column has another type."""


class Words(Enum):
    """How a kind names refused lines."""

    ONE_LINE = "one line"
    """Core 3.0-3.2 (influxdb3_server/src/http.rs, `ErrorMessage`): the first bad line, as an object in `data`."""
    NOTHING = "nothing"
    """Core 3.4-3.8 (influxdb3_write, `Error::ParseError`, seen in reports of users): neither a line nor a reason."""
    REASON = "reason"
    """Core and Enterprise 3.9-3.10 (issues of influxdb): the reason of the first bad line, and no number."""
    LIST = "list"
    """Core's `accept_partial` (documents, "Partial writes"): a list of lines in `data`, `original_line` of 20 bytes."""
    NUMBERS = "numbers"
    """Dedicated (documents, "Troubleshoot writes"): the numbers of the lines."""
    LINES = "lines"
    """Serverless, Clustered (documents, "Troubleshoot writes"; influxdata/influxdb_iox): a text for each line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind3:
    """One kind of server."""

    words: Words
    partial: bool
    """Whether the good lines of a write are kept."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    makes_databases: bool = False
    """Whether a database is made by the first write to it."""
    types: Mapping[str, str]
    """What it calls the types of columns."""
    unauthorized: object
    expired: int | None = None
    """The status for lines outside the retention; None if it takes them and shows them in no query."""
    most_bytes: int = 10 * 1024 * 1024
    """Documents: "maximum HTTP request size", 10 MiB."""

    def refused(self, bad: Sequence[Bad]) -> Answer:
        """Returns the answer to a write with bad lines."""
        return Answer(400, self._content(bad))

    def conflict(self, name: str, old: str, new: str) -> str:
        """Returns the words about a column that has another type."""
        old, new = self.types[old], self.types[new]
        if self.makes_databases:  # influxdb3_write/src/write_buffer/validator.rs
            return f"invalid column type for column '{name}', expected {old}, got {new}"
        return f"column {name} is type {old} but write has type {new}"  # iox_catalog/src/interface.rs

    def outside(self, table: str, bound: str, status: int) -> Answer:
        """Returns the answer to lines outside the retention: router/src/dml_handlers/retention_validation.rs."""
        message = (
            f"data in table {table} is outside of the retention period: minimum acceptable timestamp is {bound}, "
            "but observed timestamp is older."
        )
        return Answer(status, {"code": "forbidden" if status == 403 else "unprocessable entity", "message": message})

    def missing(self, database: str) -> Answer:
        """Returns the answer to a write to a database that is not there (documents of the write API, 404)."""
        return Answer(404, {"code": "not found", "message": f"namespace {database} does not exist"})

    def _content(self, bad: Sequence[Bad]) -> dict[str, Any]:
        first = bad[0]
        match self.words:
            case Words.ONE_LINE:
                return {"error": "parsing failed for write_lp endpoint", "data": _entry(first, cut=False)}
            case Words.NOTHING:
                return _invalid("write buffer error: parsing for line protocol failed")
            case Words.REASON:
                return _invalid(f"write buffer error: line protocol parse failed: {first.reason}")
            case Words.LIST:
                data = [_entry(each, cut=True) for each in bad]
                return {"error": "partial write of line protocol occurred", "data": data}
            case _:
                return self._all(bad) | {"line": first.number}

    def _all(self, bad: Sequence[Bad]) -> dict[str, Any]:
        head = "partial write has occurred, " if self.partial else "failed to parse line protocol: "
        if self.words is Words.NUMBERS:
            numbers = ",".join(str(each.number) for each in bad[:_MOST_NAMED])
            return _invalid(f"{head}errors encountered on line(s): {numbers}")
        if all(each.is_conflict for each in bad) and not self.partial:  # only lines that can be read are compared
            return _invalid(f"schema conflict: {bad[0].reason}")
        texts = [f"error parsing line {each.number} (1-based): {each.reason}" for each in bad[:_MOST_NAMED]]
        return _invalid("\n".join([f"{head}errors encountered on line(s):", *texts]))


def _invalid(message: str) -> dict[str, Any]:
    return {"code": "invalid", "message": message}


def _entry(bad: Bad, *, cut: bool) -> dict[str, Any]:
    text = bad.text.encode()[:20].decode(errors="ignore") if cut else bad.text
    return {"original_line": text, "line_number": bad.number, "error_message": bad.reason}


_CORE: Final = {name: f"iox::column_type::field::{name}" for name in ("integer", "float", "string", "boolean")} | {
    "tag": "iox::column_type::tag"
}
_IOX: Final = {"integer": "i64", "float": "f64", "string": "string", "boolean": "bool", "tag": "tag"}
_UUID: Final = "6fbd7c2e-4d02-4d8f-9bd4-0d2f5d1a3c55"
# influxdb3_authz and http.rs of Core; the documents of the write API elsewhere.
_UNAUTHENTICATED: Final = {"error": "the request was not authenticated"}
_UNAUTHORIZED: Final = {"code": "unauthorized", "message": "unauthorized access"}


def _core(version: str, words: Words, *, partial: bool = False) -> Kind3:
    """Returns Core as it answers `/api/v2/write`; its headers are those of influxdb3_server/src/http.rs."""
    return Kind3(
        words=words,
        partial=partial,
        headers={"X-Influxdb-Version": version, "X-Influxdb-Build": "Core", "cluster-uuid": _UUID},
        makes_databases=True,
        types=_CORE,
        unauthorized=_UNAUTHENTICATED,
    )


KINDS: Final = {
    "3.0-core": _core("3.0.3", Words.ONE_LINE),
    "3.6-core": _core("3.6.0", Words.NOTHING),
    "3.10-core": _core("3.10.0", Words.REASON),
    "3.10-partial": _core("3.10.0", Words.LIST, partial=True),
    "3-serverless": Kind3(words=Words.LINES, partial=True, types=_IOX, unauthorized=_UNAUTHORIZED, expired=403),
    "3-dedicated": Kind3(
        words=Words.NUMBERS,
        partial=True,
        headers={"cluster-uuid": _UUID},
        types=_IOX,
        unauthorized=_UNAUTHORIZED,
        expired=422,
    ),
    "3-clustered": Kind3(
        words=Words.LINES,
        partial=False,
        headers={"cluster-uuid": _UUID},
        types=_IOX,
        unauthorized=_UNAUTHORIZED,
        expired=403,
    ),
}
"""All kinds by name; the tests of delivery run on each."""
