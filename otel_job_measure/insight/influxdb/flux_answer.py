"""An answer of Flux: CSV with a table for each field of each series."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from otel_job_measure.delivery.influxdb.responses import short
from otel_job_measure.errors import StoreError
from otel_job_measure.insight.influxdb.ask import MOST_ROWS, CutError, TooManyRowsError
from otel_job_measure.insight.influxdb.times import ns_of
from otel_job_measure.points.line_protocol import FieldValue

_TABLE: Final = 2
_AT_ONCE: Final = 5000
_MEASUREMENT, _FIELD, _TIME, _VALUE = "_measurement", "_field", "_time", "_value"
_TYPES: Final[dict[str, Callable[[str], Any]]] = {
    "double": float,
    "long": int,
    "unsignedLong": int,
    "boolean": "true".__eq__,
}

Tags = tuple[tuple[str, str], ...]
"""The tags of a series, sorted; none of the values is empty."""


class Series(NamedTuple):
    """What a table is of; an answer without the columns of measurement or field has empty texts for them."""

    measurement: str
    tags: Tags
    field: str


class _Part(NamedTuple):
    """Some rows of one series."""

    series: Series
    times: list[str]
    values: list[str]
    convert: Callable[[str], Any]


def tagged(lines: Iterable[str]) -> Iterator[tuple[Tags, list[str]]]:
    """Yields the tags of a table and its texts, long tables in parts; such an answer needs no other columns."""
    for part in _tables(lines, most=None):
        if part.convert is str:
            yield part.series.tags, part.values


def columns(lines: Iterable[str], most: int) -> Iterator[tuple[Series, dict[int, FieldValue]]]:
    """Yields the columns of an answer, each in one or several parts.

    Args:
        lines: The answer.
        most: How many values it may have.

    Raises:
        TooManyRowsError: There are more.
    """
    known: dict[str, int] = {}
    for series, times, values, convert in _tables(lines, most=most):
        if len(known) > MOST_ROWS:
            known.clear()
        for text in times:  # most often, another field of the same row has had this time
            if text not in known:
                known[text] = ns_of(text)
        numbers = map(known.__getitem__, times)
        yield series, dict(zip(numbers, values if convert is str else map(convert, values), strict=True))


def _tables(lines: Iterable[str], most: int | None) -> Iterator[_Part]:
    """Yields tables, long ones in parts: those with the same columns come one after the other under one header."""
    rest, count = iter(lines), 0
    is_empty = True
    for line in rest:
        is_empty = False
        first = _cells(line, rest)
        if not first:
            continue
        header = _next(rest)
        if "error" in first[:2]:
            raise StoreError(_failed(first, header))
        if "error" in header[:2]:
            raise StoreError(_failed(header, _next(rest)))
        for part in _under(header, first, rest):
            count += len(part.values)
            if most is not None and count > most:
                raise TooManyRowsError
            yield part
    if is_empty:  # an answer without a table is an empty line
        raise ValueError


def _under(header: Sequence[str], datatypes: Sequence[str], lines: Iterator[str]) -> Iterator[_Part]:
    """Yields the tables under one header, up to the empty line at their end.

    The columns that tell the series come last and are the same text in each of its rows, which is not split.
    """
    value_at = header.index(_VALUE)
    time_at = header.index(_TIME) if _TIME in header else value_at
    last = max(time_at, value_at) + 1
    ahead = last if {_TIME, _VALUE}.issuperset(header[_TABLE + 1 : last]) else _TABLE + 1
    convert, series_of = _TYPES.get(datatypes[value_at], str), _series(header)
    part = _Part(Series("", (), ""), [], [], convert)
    known: object = None
    for line in lines:
        is_quoted = '"' in line
        row = _cells(line, lines) if is_quoted else line.rstrip("\r").split(",", last)
        if row == [""]:
            break
        its = row[ahead:]
        is_new = its != known
        if is_new or len(part.values) == _AT_ONCE:
            if part.values:
                yield part
            series = series_of(row if is_quoted else _cells(line, lines)) if is_new else part.series
            known, part = its, _Part(series, [], [], convert)
        part.times.append(row[time_at])
        part.values.append(row[value_at])
    else:
        raise CutError
    if part.values:
        yield part


def _series(header: Sequence[str]) -> Callable[[Sequence[str]], Series]:
    """Returns what tells of which series a row is."""
    at = {name: number for number, name in enumerate(header)}
    tags_at = sorted((name, number) for name, number in at.items() if number > _TABLE and not name.startswith("_"))
    measurement_at, field_at = at.get(_MEASUREMENT, 0), at.get(_FIELD, 0)  # the first column is always empty

    def series_of(row: Sequence[str]) -> Series:
        if len(row) != len(header):
            raise ValueError
        tags = tuple((name, row[number]) for name, number in tags_at if row[number])
        return Series(row[measurement_at], tags, row[field_at])

    return series_of


def _cells(line: str, rest: Iterator[str]) -> list[str]:
    """Returns the cells of a line of CSV; a text in quotes may go on in the next lines."""
    if '"' in line:
        return next(csv.reader(f"{each}\n" for each in chain((line,), rest)))
    text = line.rstrip("\r")
    return text.split(",") if text else []


def _next(rest: Iterator[str]) -> list[str]:
    line = next(rest, None)
    return [] if line is None else _cells(line, rest)


def _failed(header: Sequence[str], row: Sequence[str]) -> str:
    """Returns the words of an error that comes where a table should."""
    return f"InfluxDB broke off its answer: {short(dict(zip(header, row, strict=False)).get('error', ''))}"
