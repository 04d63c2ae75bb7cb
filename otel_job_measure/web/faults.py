"""What went wrong, for people."""

import traceback
from typing import Final

from otel_job_measure.errors import JobMeasureError
from otel_job_measure.printable import in_lines

_MOST: Final = 2000


def told(error: Exception) -> str:
    """Returns what an error says; of one that is not expected, its kind and place, since its text can hold anything."""
    if isinstance(error, (JobMeasureError, OSError)):
        return in_lines(str(error)[:_MOST])
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.name}, line {place.lineno} of {place.filename.rpartition('/')[2]}"
