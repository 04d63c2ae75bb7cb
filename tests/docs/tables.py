"""The rows as tables of DataFusion, the SQL engine of InfluxDB 3, in the types that InfluxDB 3 gives them."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, cast

from datafusion import SessionContext

from otel_job_measure import names
from otel_job_measure.points.fields import KEY_TAGS, POINT_FIELDS, RUN_FIELDS, RUN_TAGS, Column
from otel_job_measure.points.line_protocol import lines, parse

pa: Any = import_module("pyarrow")  # it has no types
_TAG: Final[Any] = pa.dictionary(pa.int32(), pa.string())
_TYPES: Final[dict[str, Any]] = {"tag": _TAG, "string": pa.string(), "float": pa.float64(), "integer": pa.int64()}
_TIME: Final[Any] = pa.timestamp("ns")
_TABLES: Final[dict[str, Sequence[Column]]] = {
    names.POINTS: (*KEY_TAGS, *POINT_FIELDS),
    names.RUNS: (*RUN_TAGS, *RUN_FIELDS),
}


def tables_of(rows: bytes) -> SessionContext:
    """Returns the tables of some rows."""
    points = [parse(line) for line in lines(rows)]
    context = SessionContext()
    for name, columns in _TABLES.items():
        schema = pa.schema([*((each.name, _TYPES[each.kind]) for each in columns), ("time", _TIME)])
        found = [{**p.tags, **p.fields, "time": p.time_ns} for p in points if p.measurement == name]
        table = pa.Table.from_pylist(found, schema=schema)
        cast("Any", context).register_record_batches(
            name, [table.to_batches() or [pa.RecordBatch.from_pylist([], schema=schema)]]
        )
    return context


def rows_of(tables: SessionContext, query: str) -> list[dict[str, Any]]:
    """Returns the rows of a query, times in nanoseconds."""
    table = cast("Any", tables.sql(query)).to_arrow_table()
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(_TIME).cast(pa.int64()))
    found: list[dict[str, Any]] = table.to_pylist()
    return found
