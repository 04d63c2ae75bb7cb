"""From a run to its rows in line protocol, and back."""

from typing import TYPE_CHECKING

from otel_job_measure.points.outcome import ENDED, Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.run_ids import new_run_id, run_id_of_span
from otel_job_measure.points.tags import DefaultTags, resolve
from otel_job_measure.points.text import clean_field, clean_tag, valid

if TYPE_CHECKING:
    from otel_job_measure.points.line_protocol import FieldValue, Point, encode, lines, parse

__all__ = [
    "ENDED",
    "DefaultTags",
    "Ending",
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


# `exec` only writes rows and does not wait for the parser's regular expressions to be compiled.
def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from otel_job_measure.points import line_protocol  # noqa: PLC0415 - see above

    found: object = getattr(line_protocol, name)
    globals()[name] = found
    return found
