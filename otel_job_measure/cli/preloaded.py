"""The modules and secrets that commands otherwise read when they need them.

A command of root that takes another user's rights reads these before: that user may not read root's installation.
"""

import encodings.utf_16_le
from contextlib import suppress
from types import ModuleType
from typing import Final

from otel_job_measure.cli import table
from otel_job_measure.delivery import consumer, delivery_loop, expected_rows, presence, shipper
from otel_job_measure.errors import JobMeasureError
from otel_job_measure.history import sink
from otel_job_measure.insight import history_store
from otel_job_measure.journal.counters import Counters
from otel_job_measure.runtime import history_reader
from otel_job_measure.runtime.assembly import server_sink
from otel_job_measure.settings import Settings

MODULES: Final[tuple[ModuleType, ...]] = (
    encodings.utf_16_le,  # texts of expectations are cleaned with it
    table,
    consumer,
    delivery_loop,
    expected_rows,
    presence,
    shipper,
    sink,
    history_reader,
    history_store,
)


def load(settings: Settings) -> None:
    """Reads the secrets of the settings and the SQL of the history, and imports what delivery to their server needs."""
    for read in (settings.token, settings.password):
        with suppress(JobMeasureError):
            read()
    history_reader.history_of(settings)
    with suppress(JobMeasureError, OSError):  # the command itself will say so
        server_sink(settings, Counters()).close()
