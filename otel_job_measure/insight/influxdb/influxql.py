"""InfluxQL, the language of InfluxDB 1.x, over HTTP; the managed editions of 3 understand it too."""

import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast
from urllib.parse import urlencode

from otel_job_measure import names
from otel_job_measure.delivery.influxdb.responses import Response
from otel_job_measure.insight.influxdb.ask import MOST_ROWS, Ask, TooManyRowsError
from otel_job_measure.insight.influxdb.connection import Connection, Refused
from otel_job_measure.insight.influxdb.patterns import regex, regex_of
from otel_job_measure.insight.influxdb.types import typed
from otel_job_measure.points.line_protocol import Point

_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_TIME: Final = "time"
_LAST: Final = " ORDER BY time DESC LIMIT 1"
_BY_SERIES: Final = " GROUP BY *"


class InfluxQl:
    """Asks in InfluxQL.

    Args:
        connection: To an InfluxDB 1.x.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, ask: Ask) -> list[Point]:
        """Returns rows in any order."""
        found: list[Point] = []
        for point in self._points(f"{_selected(ask)}{_BY_SERIES}"):
            if len(found) == MOST_ROWS:
                raise TooManyRowsError
            found.append(point)
        return found

    def last_rows(self, ask: Ask) -> list[Point]:
        """Returns the last row of each series."""
        return list(self._points(f"{_selected(ask)}{_BY_SERIES}{_LAST}"))

    def texts(self, ask: Ask) -> Iterator[Point]:
        """Yields the rows of one field as they come."""
        return self._points(f"{_selected(ask)}{_BY_SERIES}")

    def different(self, ask: Ask) -> Iterator[Point]:
        """Yields a row for each text of one field, of each series."""
        (name,) = ask.fields
        query = f"SELECT DISTINCT({_identifier(name)}) AS {_identifier(name)} FROM {_source(ask)}{_BY_SERIES}"  # noqa: S608 - quoted
        return self._points(query)

    def first_ns(self, ask: Ask) -> int | None:
        """Returns the time of the first row; None if there is none."""
        return min((point.time_ns or 0 for point in self._points(f"{_selected(ask)} LIMIT 1")), default=None)

    def _points(self, query: str) -> Iterator[Point]:
        with self._answer(query) as lines:
            for line in lines:
                for series in self._series(line):
                    yield from _points_of(series)

    def _series(self, line: str) -> Iterable[Mapping[str, Any]]:
        answer = cast("dict[str, Any]", json.loads(line)) if line.strip() else {}
        results: list[dict[str, Any]] = answer.get("results", [])
        for result in (answer, *results):
            if "error" in result:  # with the status 200
                raise self._connection.error(Response(status=200, body=json.dumps(result).encode()))
        return (series for result in results for series in result.get("series", ()))

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


def _points_of(series: Mapping[str, Any]) -> Iterator[Point]:
    tags: dict[str, str] = {name: value for name, value in series.get("tags", {}).items() if value}
    columns: list[str] = series["columns"]
    measurement: str = series["name"]
    for values in series["values"]:
        row = dict(zip(columns, values, strict=True))
        time_ns: int = row.pop(_TIME)
        fields = {name: typed(measurement, name, value) for name, value in row.items() if value is not None}
        yield Point(measurement, tags, fields, time_ns)


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
