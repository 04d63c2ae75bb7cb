"""Values of fields with the types that they were written with: JSON makes 60 of 60.0."""

from typing import Final

from otel_job_measure import names
from otel_job_measure.points.fields import MONITOR, RUN_FIELDS
from otel_job_measure.points.line_protocol import FieldValue

_FLOATS: Final = {
    measurement: frozenset(column.name for column in columns if column.kind == "float")
    for measurement, columns in {**MONITOR, names.RUNS: RUN_FIELDS}.items()
}


def typed(measurement: str, name: str, value: FieldValue) -> FieldValue:
    """Returns a value of a field as it was written."""
    return float(value) if type(value) is int and name in _FLOATS.get(measurement, ()) else value
