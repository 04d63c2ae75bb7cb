"""InfluxQL, the language of InfluxDB 1.x, over HTTP; the managed editions of 3 understand it too."""

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast
from urllib.parse import urlencode

from otel_job_measure import names
from otel_job_measure.delivery.influxdb.responses import Response
from otel_job_measure.history.run_record import Key, Place, key_of
from otel_job_measure.insight.influxdb.ask import MOST_ROWS, Ask, CutError, Table, TooManyRowsError
from otel_job_measure.insight.influxdb.connection import Connection, Refused
from otel_job_measure.insight.influxdb.patterns import regex, regex_of
from otel_job_measure.insight.influxdb.types import typed
from otel_job_measure.points.line_protocol import FieldValue, Point

_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_TIME: Final = "time"
_LAST: Final = " ORDER BY time DESC LIMIT 1"
_UUID: Final = f'"{names.FIELD_UUID}"'
_BY_SERIES: Final = " GROUP BY *"


class InfluxQl:
    """Asks in InfluxQL.

    Args:
        connection: To an InfluxDB 1.x.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tables(self, ask: Ask) -> Iterator[Table]:
        """Yields rows in any order, each whole."""
        return self._few(f"{_selected(ask)}{_BY_SERIES}")

    def last_rows(self, ask: Ask) -> list[Point]:
        """Returns the last row of each series."""
        return [point for table in self._few(f"{_selected(ask)}{_BY_SERIES}{_LAST}") for point in table.points()]

    def runs(self, ask: Ask, among: set[str] | None = None) -> Iterator[Place]:
        """Yields the runs that have rows, or those of them that have one of some ids."""
        if among is None:
            for series in self._series(f"SELECT DISTINCT({_UUID}) AS {_UUID} FROM {_source(ask)}{_BY_SERIES}"):  # noqa: S608 - quoted
                key = _key_of(series.get("tags", {}))
                yield from ((uuid, key) for _, uuid in series["values"] if isinstance(uuid, str))
            return
        # With tags as columns, the server takes half as long as with a table of each series.
        for series in self._series(f"SELECT {_UUID}::field AS {_UUID}, *::tag FROM {_source(ask)}"):  # noqa: S608 - quoted
            tags = series["columns"][2:]
            for _, uuid, *values in series["values"]:
                if uuid in among:
                    yield uuid, _key_of(dict(zip(tags, values, strict=True)))

    def first_ns(self, ask: Ask) -> int | None:
        """Returns the time of the first row; None if there is none."""
        return min((point.time_ns or 0 for point in self._points(f"{_selected(ask)} LIMIT 1")), default=None)

    def _few(self, query: str) -> Iterator[Table]:
        """Yields tables that have no more rows than are kept in memory."""
        rows = 0
        for table, count in self._tables(query):
            rows += count
            if rows > MOST_ROWS:
                raise TooManyRowsError
            yield table

    def _points(self, query: str) -> Iterator[Point]:
        for table, _ in self._tables(query):
            yield from table.points()

    def _tables(self, query: str) -> Iterator[tuple[Table, int]]:
        """Yields tables, long ones in parts, and how many rows they have."""
        return ((_table_of(series), len(series["values"])) for series in self._series(query))

    def _series(self, query: str) -> Iterator[Mapping[str, Any]]:
        """Yields what the answer has, long series in parts."""
        with self._answer(query) as lines:
            result: Mapping[str, Any] | None = None
            for result in self._results(lines):
                yield from result.get("series", ())
            if result is None:  # an answer without a row is a result without series
                raise ValueError
            if result.get("partial"):
                raise CutError

    def _results(self, lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
        for line in lines:
            answer = cast("dict[str, Any]", json.loads(line)) if line.strip() else {}
            results: list[dict[str, Any]] = answer.get("results", [])
            for result in (answer, *results):
                if "error" in result:  # with the status 200
                    raise self._connection.error(Response(status=200, body=json.dumps(result).encode()))
            yield from results

    @contextmanager
    def _answer(self, query: str) -> Generator[Iterable[str]]:
        database, _, policy = self._connection.destination.bucket.partition("/")
        where = {"db": database, "epoch": "ns", "chunked": "true"} | ({"rp": policy} if policy else {})
        body = urlencode({"q": query}).encode()
        try:
            with self._connection.lines("/query", query=where, body=body, headers=_HEADERS) as lines:
                yield lines
        except Refused as refused:
            raise self._connection.error(refused.response) from None


def _key_of(tags: Mapping[str, str | None]) -> Key:
    return key_of({name: value for name, value in tags.items() if value})


def _table_of(series: Mapping[str, Any]) -> Table:
    measurement: str = series["name"]
    tags: dict[str, str] = {name: value for name, value in series.get("tags", {}).items() if value}
    values = dict(zip(series["columns"], zip(*series["values"], strict=True), strict=True))
    times: Sequence[int] = values.pop(_TIME)
    columns = {name: _column(measurement, name, zip(times, column, strict=True)) for name, column in values.items()}
    return Table(measurement, tags, columns)


def _column(measurement: str, name: str, cells: Iterable[tuple[int, FieldValue | None]]) -> dict[int, FieldValue]:
    return {at: typed(measurement, name, value) for at, value in cells if value is not None}


def _selected(ask: Ask) -> str:
    # In one measurement the status is a tag, in the other a field.
    fields = ", ".join(f"{_identifier(name)}::field AS {_identifier(name)}" for name in ask.fields) or "*"
    return f"SELECT {fields} FROM {_source(ask)}"  # noqa: S608 - quoted


def _source(ask: Ask) -> str:
    conditions = [f"time >= {ask.since_ns} AND time < {ask.until_ns}"]
    conditions += [_any(tag, values) for tag, values in ask.tags.items()]
    if ask.job_like is not None:
        conditions.append(f"{_identifier(names.TAG_JOB)} =~ /^{regex(ask.job_like)}$/")
    if ask.texts is not None:
        conditions.append(_any(*ask.texts))
    if ask.uuid_prefix is not None:
        conditions.append(f"{_identifier(names.FIELD_UUID)} =~ /^{regex_of(ask.uuid_prefix)}/")
    return f"{', '.join(map(_identifier, ask.measurements))} WHERE {' AND '.join(conditions)}"


def _any(name: str, values: Iterable[str]) -> str:
    return f"({' OR '.join(f'{_identifier(name)} = {_string(value)}' for value in values)})"


def _identifier(name: str) -> str:
    """Returns one of our own names as an identifier."""
    return f'"{name}"'


def _string(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace("'", r"\'").replace("\n", r"\n")
    return f"'{escaped}'"
