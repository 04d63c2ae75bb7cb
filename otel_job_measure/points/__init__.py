"""From a run to its rows in line protocol, and back."""

from otel_job_measure.points.line_protocol import FieldValue, Point, encode, lines, parse
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.points.rows import ending_lines, start_line
from otel_job_measure.points.runids import new_run_id, run_id_of_span
from otel_job_measure.points.series import Series
from otel_job_measure.points.tags import DefaultTags, resolve
from otel_job_measure.points.text import clean_field, clean_tag, valid

__all__ = [
    "ENDED",
    "DefaultTags",
    "FieldValue",
    "Outcome",
    "Point",
    "Series",
    "clean_field",
    "clean_tag",
    "encode",
    "ending_lines",
    "lines",
    "new_run_id",
    "parse",
    "resolve",
    "run_id_of_span",
    "start_line",
    "valid",
]
