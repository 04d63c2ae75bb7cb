"""SQL, the language of InfluxDB 3, over its HTTP API.

A measurement is a table there, and a tag or field is a column that exists only if a row has had a value for it. So each
question asks first which columns there are; tags are the columns with a dictionary.
"""

import json
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, NamedTuple, cast

from otel_job_measure import names
from otel_job_measure.history.run_record import Place, key_of
from otel_job_measure.insight.influxdb.ask import MOST_ROWS, Ask, Table, TooManyRowsError
from otel_job_measure.insight.influxdb.connection import Connection, Refused
from otel_job_measure.insight.influxdb.patterns import regex, regex_of
from otel_job_measure.insight.influxdb.times import ns_of
from otel_job_measure.insight.influxdb.types import typed
from otel_job_measure.points.line_protocol import FieldValue, Point

_HEADERS: Final = {"Content-Type": "application/json"}
_TIME: Final = "time"
_COLUMNS: Final = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE "


class _Table(NamedTuple):
    """The columns of a measurement."""

    name: str
    tags: list[str]
    fields: list[str]


class Sql:
    """Asks in SQL.

    Args:
        connection: To an InfluxDB 3.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tables(self, ask: Ask) -> Iterator[Table]:
        """Yields rows in any order, each whole."""
        rows = 0
        for table in self._tables(ask):
            found: dict[tuple[tuple[str, str], ...], dict[str, dict[int, FieldValue]]] = {}
            for point in self._points_of(ask, table):
                rows += 1
                if rows > MOST_ROWS:
                    raise TooManyRowsError
                columns = found.setdefault(tuple(point.tags.items()), {})
                for name, value in point.fields.items():
                    columns.setdefault(name, {})[point.time_ns or 0] = value
            for tags, columns in found.items():
                yield Table(table.name, dict(tags), columns)

    def _points_of(self, ask: Ask, table: _Table) -> Iterator[Point]:
        return self._points(table, _select(_listed(table, _TIME), _source(ask, table)))

    def runs(self, ask: Ask, among: set[str] | None = None) -> Iterator[Place]:
        """Yields the runs that have rows, or those of them that have one of some ids."""
        for table in self._tables(ask):
            for point in self._points(table, _select(f"DISTINCT {_listed(table)}", _source(ask, table))):
                uuid = point.fields.get(names.FIELD_UUID)
                if isinstance(uuid, str) and (among is None or uuid in among):
                    yield uuid, key_of(point.tags)

    def last_rows(self, ask: Ask) -> list[Point]:
        """Returns the last row of each series."""
        found: list[Point] = []
        for table in self._tables(ask):
            of_series = f"PARTITION BY {', '.join(map(_identifier, table.tags))}" if table.tags else ""
            number = f"row_number() OVER ({of_series} ORDER BY {_TIME} DESC) AS number"
            rows = _select(f"{_listed(table, _TIME)}, {number}", _source(ask, table))
            last = self._points(table, _select(_listed(table, _TIME), f"({rows}) WHERE number = 1"))
            found += islice(last, MOST_ROWS + 1)
            if len(found) > MOST_ROWS:
                raise TooManyRowsError
        return found

    def first_ns(self, ask: Ask) -> int | None:
        """Returns the time of the first row; None if there is none."""
        queries = [_select(f"min({_TIME}) AS {_TIME}", _source(ask, table)) for table in self._tables(ask)]
        times = (row.get(_TIME) for query in queries for row in self._rows(query))
        return min((ns_of(str(at)) for at in times if at is not None), default=None)

    def _tables(self, ask: Ask) -> list[_Table]:
        """Returns the tables that exist, with those of the columns that are asked for."""
        tables: dict[str, _Table] = {}
        for row in self._rows(_COLUMNS + _any("table_name", ask.measurements)):
            name, column, type_ = (str(row.get(key)) for key in ("table_name", "column_name", "data_type"))
            table = tables.setdefault(name, _Table(name, [], []))
            if type_.startswith("Dictionary"):
                table.tags.append(column)
            elif column != _TIME and (not ask.fields or column in ask.fields):
                table.fields.append(column)
        return [table for table in tables.values() if table.fields]

    def _points(self, table: _Table, query: str) -> Iterator[Point]:
        for row in self._rows(query):
            tags = {tag: str(row[tag]) for tag in table.tags if row.get(tag)}
            fields: dict[str, FieldValue] = {
                name: typed(table.name, name, row[name]) for name in table.fields if row.get(name) is not None
            }
            at = row.get(_TIME)
            yield Point(table.name, tags, fields, None if at is None else ns_of(str(at)))

    def _rows(self, query: str) -> Iterator[Mapping[str, Any]]:
        with self._answer(query) as lines:
            for line in lines:
                if line.strip():
                    yield _row(line)

    @contextmanager
    def _answer(self, query: str) -> Generator[Iterable[str]]:
        database = self._connection.destination.bucket
        body = json.dumps({"db": database, "q": query, "format": "jsonl"}).encode()
        try:
            with self._connection.lines("/api/v3/query_sql", body=body, headers=_HEADERS) as lines:
                yield lines
        except Refused as refused:
            raise self._connection.error(refused.response) from None


def _row(line: str) -> Mapping[str, Any]:
    row: object = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError(line)  # noqa: TRY004 - the connection tells what it means
    return cast("dict[str, Any]", row)


def _select(what: str, source: str) -> str:
    return f"SELECT {what} FROM {source}"  # noqa: S608 - of names and texts that are quoted


def _listed(table: _Table, *more: str) -> str:
    return ", ".join(map(_identifier, (*table.tags, *table.fields, *more)))


def _source(ask: Ask, table: _Table) -> str:
    conditions = [f"{_TIME} >= to_timestamp_nanos({ask.since_ns}) AND {_TIME} < to_timestamp_nanos({ask.until_ns})"]
    if ask.fields:
        conditions.append(f"({' OR '.join(f'{_identifier(name)} IS NOT NULL' for name in table.fields)})")
    conditions += [_of_tag(table, tag, values) for tag, values in ask.tags.items()]
    if ask.job_like is not None:
        conditions.append(_like(table, names.TAG_JOB, f"^{regex(ask.job_like)}$"))
    if ask.texts is not None:
        conditions.append(_any(*ask.texts) if ask.texts[0] in table.fields else "FALSE")
    if ask.uuid_prefix is not None:
        conditions.append(_like(table, names.FIELD_UUID, f"^{regex_of(ask.uuid_prefix)}"))
    return f"{_identifier(table.name)} WHERE {' AND '.join(conditions)}"


def _of_tag(table: _Table, tag: str, values: Collection[str]) -> str:
    """Returns a condition on a tag; in a table without it, no row has it."""
    if tag not in table.tags:
        return "TRUE" if "" in values else "FALSE"
    missing = f" OR {_identifier(tag)} IS NULL" if "" in values else ""
    return f"({_any(tag, values)}{missing})"


def _like(table: _Table, column: str, pattern: str) -> str:
    if column not in (*table.tags, *table.fields):
        return "FALSE"
    return f"CAST({_identifier(column)} AS VARCHAR) ~ {_string(pattern)}"


def _any(name: str, values: Collection[str]) -> str:
    return f"{_identifier(name)} IN ({', '.join(map(_string, values))})"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
