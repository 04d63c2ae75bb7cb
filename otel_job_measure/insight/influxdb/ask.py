"""What is asked of InfluxDB: rows of some measurements in a time, whatever the language."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from otel_job_measure.errors import StoreError
from otel_job_measure.history.run_record import Place
from otel_job_measure.points.line_protocol import FieldValue, Point

FIRST_NS: Final = -(2**63) + 2
"""The earliest time that InfluxDB has, in the year 1677."""
LAST_NS: Final = 2**63 - 2
"""The end of time: every row is before it."""
MOST_ROWS: Final = 240_000
"""The most rows of one answer that are kept in memory."""


class TooManyRowsError(StoreError):
    """An answer has more rows than are kept in memory: ask for a shorter time."""

    def __init__(self) -> None:
        super().__init__(f"InfluxDB's answer has over {MOST_ROWS} rows, too many to read at once: ask for fewer jobs")


class CutError(ValueError):
    """An answer lacks the end that a whole one has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Rows of some measurements in a time.

    Args:
        measurements: The measurements.
        fields: The fields that are needed; empty means all.
        since_ns: The earliest time.
        until_ns: Only rows before this time.
        tags: By a tag, the values that it may have; the empty string means that there is no such tag.
        job_like: A pattern of the job's name, with `*` and `?`.
        texts: A field and the texts that it may have.
        uuid_prefix: How the uuid begins.
    """

    measurements: tuple[str, ...]
    fields: tuple[str, ...] = ()
    since_ns: int = FIRST_NS
    until_ns: int = LAST_NS
    tags: Mapping[str, Collection[str]] = field(default_factory=dict[str, Collection[str]])
    job_like: str | None = None
    texts: tuple[str, Collection[str]] | None = None
    uuid_prefix: str | None = None


class Table(NamedTuple):
    """Rows of one series, by column: a million rows are read without a dict of each."""

    measurement: str
    tags: Mapping[str, str]
    """None of the values is empty."""
    columns: Mapping[str, Mapping[int, FieldValue]]
    """By a field and a time, the value."""

    def points(self) -> Iterator[Point]:
        """Yields the rows, in any order."""
        rows: dict[int, dict[str, FieldValue]] = {}
        for name, column in self.columns.items():
            for time_ns, value in column.items():
                rows.setdefault(time_ns, {})[name] = value
        for time_ns, fields in rows.items():
            yield Point(self.measurement, self.tags, fields, time_ns)


class Language(Protocol):
    """A language that an InfluxDB is asked in. Rows have the fields that were asked for, and perhaps others."""

    def tables(self, ask: Ask) -> Iterator[Table]:
        """Yields rows in any order, each whole; raises `TooManyRowsError`, or `StoreError` if there is no answer."""
        ...

    def last_rows(self, ask: Ask) -> list[Point]:
        """Returns the last row of each series."""
        ...

    def runs(self, ask: Ask, among: set[str] | None = None) -> Iterator[Place]:
        """Yields the runs that have rows, however many there are; one may come more than once.

        Args:
            ask: The rows, of one measurement and with no field but the id.
            among: The ids that are looked for; None means each.
        """
        ...

    def first_ns(self, ask: Ask) -> int | None:
        """Returns the time of the first row; None if there is none."""
        ...


def rows(language: Language, ask: Ask) -> list[Point]:
    """Returns rows in any order; see `Language.tables`."""
    return [point for table in language.tables(ask) for point in table.points()]
