"""Flux, the language of InfluxDB 2.

The server sends a row for each field, because its `pivot` takes longer than to put them together here.
"""

import json
import re
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from otel_job_measure import names
from otel_job_measure.history.run_record import Place, key_of
from otel_job_measure.insight.influxdb import flux_answer
from otel_job_measure.insight.influxdb.ask import MOST_ROWS, Ask, Table
from otel_job_measure.insight.influxdb.connection import Connection, Refused
from otel_job_measure.insight.influxdb.patterns import regex, regex_of
from otel_job_measure.insight.influxdb.times import text_of
from otel_job_measure.points.line_protocol import FieldValue, Point

_DIALECT: Final = {"header": True, "annotations": ["datatype"]}
_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/csv"}
_MEASUREMENT, _FIELD, _VALUE = "_measurement", "_field", "_value"
_GAP_NS: Final = 60 * 10**9
_MOST_NS: Final = 10 * _GAP_NS
_MOST_CELLS: Final = 5 * MOST_ROWS
_FEW: Final = 8
_GROUPED: Final = f' |> group(columns: ["{_MEASUREMENT}", "{_FIELD}"])'
"""Fewer tables cost the server less; the values of each have one type."""
_NEEDLESS: Final = '["_time", "_measurement", "_field", "status", "reason"]'
"""The columns besides the id that do not tell which run it is."""

_plain = re.compile(r"[A-Za-z0-9_.-]").fullmatch


class Flux:
    """Asks in Flux.

    Args:
        connection: To an InfluxDB 2.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tables(self, ask: Ask) -> Iterator[Table]:
        """Yields rows in any order, each whole."""
        if ask.texts is None and ask.uuid_prefix is None:
            yield from self._tables(ask)
            return
        # A condition on a field finds only that field: the rows around it are asked for by their times.
        name = names.FIELD_UUID if ask.texts is None else ask.texts[0]
        found = [point for table in self._tables(replace(ask, fields=(name,))) for point in table.points()]
        for near in _clusters(found):
            yield from self._whole(ask, near)

    def _whole(self, ask: Ask, near: Sequence[Point]) -> Iterator[Table]:
        """Yields the whole rows of points that are near each other in time."""
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
        for table in self._tables(whole):
            tags = frozenset(table.tags.items())
            columns = {
                name: {at: value for at, value in column.items() if (table.measurement, at, tags) in wanted}
                for name, column in table.columns.items()
            }
            yield table._replace(columns=columns)

    def last_rows(self, ask: Ask) -> list[Point]:
        """Returns the last row of each series."""
        tables = self._tables(ask, " |> last()")
        return [max(table.points(), key=lambda point: point.time_ns or 0) for table in tables]

    def first_ns(self, ask: Ask) -> int | None:
        """Returns the time of the first row; None if there is none."""
        tables = self._tables(ask, " |> first()")
        return min((at for table in tables for column in table.columns.values() for at in column), default=None)

    def runs(self, ask: Ask, among: set[str] | None = None) -> Iterator[Place]:
        """Yields the runs that have rows, or those of them that have one of some ids."""
        # The server compares each row with each text of a condition, so many ids are looked for here.
        then = " |> unique()" if among is None else _GROUPED
        with self._answer(self._text(ask, f"{then} |> drop(columns: {_NEEDLESS})")) as lines:
            for tags, uuids in flux_answer.tagged(lines):
                if found := uuids if among is None else among.intersection(uuids):
                    key = key_of(dict(tags))
                    yield from ((uuid, key) for uuid in found)

    def _tables(self, ask: Ask, then: str = _GROUPED) -> list[Table]:
        found: dict[tuple[str, flux_answer.Tags], dict[str, dict[int, FieldValue]]] = {}
        with self._answer(self._text(ask, then)) as lines:
            for series, column in flux_answer.columns(lines, _MOST_CELLS):
                columns = found.setdefault((series.measurement, series.tags), {})
                columns.setdefault(series.field, {}).update(column)
        return [Table(measurement, dict(tags), columns) for (measurement, tags), columns in found.items()]

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
    return _either(comparisons)


def _either(conditions: Sequence[str]) -> str:
    """Returns conditions joined by `or`, the halves in brackets: without them, each one nests the next one deeper."""
    if len(conditions) <= _FEW:
        return f"({' or '.join(conditions)})"
    half = len(conditions) // 2
    return f"({_either(conditions[:half])} or {_either(conditions[half:])})"


def _string(text: str) -> str:
    """Returns a literal; every character that could mean something in Flux is written as its bytes."""
    return '"' + "".join(c if _plain(c) else "".join(f"\\x{byte:02x}" for byte in c.encode()) for c in text) + '"'
