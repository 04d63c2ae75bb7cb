"""An answer of Flux: CSV with a table for each field of each series."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from otel_job_measure.delivery.influxdb.responses import short
from otel_job_measure.errors import StoreError
from otel_job_measure.insight.influxdb.ask import CutError, TooManyRowsError
from otel_job_measure.insight.influxdb.times import ns_of
from otel_job_measure.points.line_protocol import FieldValue

_TABLE: Final = 2
_MEASUREMENT, _FIELD, _TIME, _VALUE = "_measurement", "_field", "_time", "_value"
_TYPES: Final[dict[str, Callable[[str], Any]]] = {
    "double": float,
    "long": int,
    "unsignedLong": int,
    "boolean": "true".__eq__,
}


class Series(NamedTuple):
    """What a table is of."""

    measurement: str
    tags: tuple[tuple[str, str], ...]
    """None of the values is empty."""
    field: str


def cells(lines: Iterable[str]) -> Iterator[tuple[Series, int, FieldValue]]:
    """Yields series, time and value of each row of an answer, as they come."""
    for series, times, values in _tables(lines, most=None):
        for time_ns, value in zip(times, values, strict=True):
            yield series, time_ns, value


def columns(lines: Iterable[str], most: int) -> Iterator[tuple[Series, dict[int, FieldValue]]]:
    """Yields the columns of an answer, each in one or several parts.

    Args:
        lines: The answer.
        most: How many values it may have.

    Raises:
        TooManyRowsError: There are more.
    """
    for series, times, values in _tables(lines, most=most):
        yield series, dict(zip(times, values, strict=True))


_Part = tuple[Series, list[int], list[FieldValue]]
_AT_ONCE: Final = 5000


def _tables(lines: Iterable[str], most: int | None) -> Iterator[_Part]:
    """Yields tables, long ones in parts: those with the same columns come one after the other under one header."""
    rest, count = _rows(lines), 0
    is_empty = True
    for first in rest:
        is_empty = False
        if not first:
            continue
        header = next(rest, list[str]())
        if "error" in first[:2]:
            raise StoreError(_failed(first, header))
        if "error" in header[:2]:
            raise StoreError(_failed(header, next(rest, list[str]())))
        for part in _under(header, first, rest):
            count += len(part[1])
            if most is not None and count > most:
                raise TooManyRowsError
            yield part
    if is_empty:  # an answer without a table is an empty line
        raise ValueError


def _under(header: Sequence[str], datatypes: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[_Part]:
    """Yields the tables under one header, up to the empty line at their end."""
    time_at, value_at = header.index(_TIME), header.index(_VALUE)
    convert = _TYPES.get(datatypes[value_at], str)
    tags_at = [(at, name) for at, name in enumerate(header) if at > _TABLE and not name.startswith("_")]
    measurement_at, field_at = header.index(_MEASUREMENT), header.index(_FIELD)
    table: str | None = None
    series = Series("", (), "")
    times: list[int] = []
    values: list[Any] = []
    known: dict[str, int] = {}
    for row in rows:
        if not row:
            break
        if row[_TABLE] != table or len(times) == _AT_ONCE:
            if times:
                yield series, times, values
            table, times, values = row[_TABLE], [], []
            tags = tuple(sorted((tag, row[at]) for at, tag in tags_at if row[at]))
            if tags != series.tags:
                known.clear()
            series = Series(row[measurement_at], tags, row[field_at])
        text = row[time_at]
        time_ns = known.get(text)
        if time_ns is None:  # most often, another field of the same row has had this time
            time_ns = known[text] = ns_of(text)
        times.append(time_ns)
        values.append(row[value_at] if convert is str else convert(row[value_at]))
    else:
        raise CutError
    if times:
        yield series, times, values


def _rows(lines: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yields the rows of CSV; a line without a quote, as almost all are, is split three times as fast as by `csv`."""
    rest = iter(lines)
    for line in rest:
        if '"' in line:
            yield next(csv.reader(f"{each}\n" for each in chain((line,), rest)))
        else:
            text = line.rstrip("\r")
            yield text.split(",") if text else []


def _failed(header: Sequence[str], row: Sequence[str]) -> str:
    """Returns the words of an error that comes where a table should."""
    return f"InfluxDB broke off its answer: {short(dict(zip(header, row, strict=False)).get('error', ''))}"
