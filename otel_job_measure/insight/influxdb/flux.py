"""Flux, the language of InfluxDB 2.

The server sends a row for each field, because its `pivot` takes longer than to put them together here.
"""

import csv
import json
import re
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from otel_job_measure import names
from otel_job_measure.delivery.influxdb.responses import short
from otel_job_measure.errors import StoreError
from otel_job_measure.insight.influxdb.ask import MOST_ROWS, Ask, TooManyRowsError
from otel_job_measure.insight.influxdb.connection import Connection, Refused
from otel_job_measure.insight.influxdb.patterns import regex, regex_of
from otel_job_measure.insight.influxdb.times import ns_of, text_of
from otel_job_measure.points.line_protocol import FieldValue, Point

_DIALECT: Final = {"header": True, "annotations": ["datatype"]}
_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/csv"}
_TABLE: Final = 2
_MEASUREMENT, _FIELD, _TIME, _VALUE = "_measurement", "_field", "_time", "_value"
_GAP_NS: Final = 60 * 10**9
_MOST_NS: Final = 10 * _GAP_NS
_MOST_CELLS: Final = 5 * MOST_ROWS
_TYPES: Final[dict[str, Callable[[str], Any]]] = {
    "double": float,
    "long": int,
    "unsignedLong": int,
    "boolean": "true".__eq__,
}

_plain = re.compile(r"[A-Za-z0-9_.-]").fullmatch

_Series = frozenset[tuple[str, str]]


class Flux:
    """Asks in Flux.

    Args:
        connection: To an InfluxDB 2.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, ask: Ask) -> list[Point]:
        """Returns rows in any order."""
        if ask.texts is None and ask.uuid_prefix is None:
            return self._rows(ask, "")
        # A condition on a field finds only that field: the rows around it are asked for by their times.
        name = names.FIELD_UUID if ask.texts is None else ask.texts[0]
        found = self._rows(replace(ask, fields=(name,)), "")
        return [row for near in _clusters(found) for row in self._whole(ask, near)]

    def _whole(self, ask: Ask, near: Sequence[Point]) -> list[Point]:
        """Returns the whole rows of points that are near each other in time."""
        jobs = {point.tags.get(names.TAG_JOB, "") for point in near}
        whole = replace(
            ask,
            since_ns=near[0].time_ns or 0,
            until_ns=(near[-1].time_ns or 0) + 1,
            tags={**ask.tags, names.TAG_JOB: jobs},
            texts=None,
            uuid_prefix=None,
        )
        wanted = {(point.measurement, point.time_ns, frozenset(point.tags.items())) for point in near}
        rows = self._rows(whole, "")
        return [row for row in rows if (row.measurement, row.time_ns, frozenset(row.tags.items())) in wanted]

    def last_rows(self, ask: Ask) -> list[Point]:
        """Returns the last row of each series."""
        latest: dict[tuple[str, _Series], Point] = {}
        for point in self._rows(ask, " |> last()"):
            key = point.measurement, frozenset(point.tags.items())
            if key not in latest or (latest[key].time_ns or 0) < (point.time_ns or 0):
                latest[key] = point
        return list(latest.values())

    def first_ns(self, ask: Ask) -> int | None:
        """Returns the time of the first row; None if there is none."""
        return min((point.time_ns or 0 for point in self._rows(ask, " |> first()")), default=None)

    def texts(self, ask: Ask) -> Iterator[Point]:
        """Yields the rows of one field as they come."""
        return self._texts(ask, "")

    def different(self, ask: Ask) -> Iterator[Point]:
        """Yields a row for each text of one field, of each series."""
        return self._texts(ask, " |> unique()")

    def _texts(self, ask: Ask, then: str) -> Iterator[Point]:
        with self._answer(self._text(ask, then)) as lines:
            for measurement, tags, name, time_ns, value in _cells(lines):
                yield Point(measurement, dict(tags), {name: value}, time_ns)

    def _rows(self, ask: Ask, then: str) -> list[Point]:
        tables: dict[tuple[str, _Series], dict[int, dict[str, FieldValue]]] = {}
        with self._answer(self._text(ask, then)) as lines:
            for count, (measurement, tags, name, time_ns, value) in enumerate(_cells(lines)):
                if count == _MOST_CELLS:
                    raise TooManyRowsError
                tables.setdefault((measurement, tags), {}).setdefault(time_ns, {})[name] = value
        return [
            Point(measurement, dict(tags), fields, time_ns)
            for (measurement, tags), rows in tables.items()
            for time_ns, fields in rows.items()
        ]

    @contextmanager
    def _answer(self, text: str) -> Generator[Iterable[str]]:
        org = self._connection.destination.org
        body = json.dumps({"query": text, "type": "flux", "dialect": _DIALECT}).encode()
        try:
            with self._connection.lines("/api/v2/query", query={"org": org}, body=body, headers=_HEADERS) as lines:
                yield lines
        except Refused as refused:
            raise self._connection.error(refused.response) from None

    def _text(self, ask: Ask, then: str) -> str:
        conditions = [_any(_MEASUREMENT, ask.measurements)]
        conditions += [_any(tag, values) for tag, values in ask.tags.items()]
        if ask.job_like is not None:
            conditions.append(f'r["{names.TAG_JOB}"] =~ /^{regex(ask.job_like)}$/')
        if ask.fields:
            conditions.append(_any(_FIELD, ask.fields))
        if ask.texts is not None:
            conditions.append(_any(_VALUE, ask.texts[1]))
        if ask.uuid_prefix is not None:
            conditions.append(f'r["{_VALUE}"] =~ /^{regex_of(ask.uuid_prefix)}/')
        return (
            f"from(bucket: {_string(self._connection.destination.bucket)})"
            f" |> range(start: {text_of(ask.since_ns)}, stop: {text_of(ask.until_ns)})"
            f" |> filter(fn: (r) => {' and '.join(conditions)}){then}"
            ' |> drop(columns: ["_start", "_stop"])'
        )


def _clusters(points: Iterable[Point]) -> Iterator[list[Point]]:
    """Yields points in the order of time, those without a long gap between them together."""
    near: list[Point] = []
    for point in sorted(points, key=lambda each: each.time_ns or 0):
        time_ns = point.time_ns or 0
        if near and (time_ns - (near[-1].time_ns or 0) > _GAP_NS or time_ns - (near[0].time_ns or 0) > _MOST_NS):
            yield near
            near = []
        near.append(point)
    if near:
        yield near


def _any(column: str, values: Collection[str]) -> str:
    comparisons = [f'r["{column}"] == {_string(value)}' for value in values if value]
    if "" in values:
        comparisons += [f'not exists r["{column}"]', f'r["{column}"] == ""']
    return f"({' or '.join(comparisons)})"


def _string(text: str) -> str:
    """Returns a literal; every character that could mean something in Flux is written as its bytes."""
    return '"' + "".join(c if _plain(c) else "".join(f"\\x{byte:02x}" for byte in c.encode()) for c in text) + '"'


_Cell = tuple[str, _Series, str, int, FieldValue]
"""Measurement, tags, field, time and value."""


def _cells(lines: Iterable[str]) -> Iterator[_Cell]:
    """Yields the values of an answer: tables one after the other, those with the same columns under one header."""
    rows = csv.reader(lines)
    for first in rows:
        if not first:
            continue
        header = next(rows, list[str]())
        if "error" in first[:2]:
            raise StoreError(_failed(first, header))
        if "error" in header[:2]:
            raise StoreError(_failed(header, next(rows, list[str]())))
        yield from _of_tables(header, first, rows)


def _of_tables(header: Sequence[str], datatypes: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[_Cell]:
    time_at, value_at = header.index(_TIME), header.index(_VALUE)
    convert = _TYPES.get(datatypes[value_at], str)
    tags_at = [(at, name) for at, name in enumerate(header) if at > _TABLE and not name.startswith("_")]
    measurement_at, field_at = header.index(_MEASUREMENT), header.index(_FIELD)
    table: str | None = None
    measurement = name = ""
    tags: _Series = frozenset()
    for row in rows:
        if not row:
            return
        if row[_TABLE] != table:
            table, measurement, name = row[_TABLE], row[measurement_at], row[field_at]
            tags = frozenset((tag, row[at]) for at, tag in tags_at if row[at])
        yield measurement, tags, name, ns_of(row[time_at]), convert(row[value_at])


def _failed(header: Sequence[str], row: Sequence[str]) -> str:
    """Returns the words of an error that comes where a table should."""
    return f"InfluxDB broke off its answer: {short(dict(zip(header, row, strict=False)).get('error', ''))}"
