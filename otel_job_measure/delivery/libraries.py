"""Loads what a delivery needs, where an import can harm nobody."""

import importlib
from types import ModuleType
from typing import Final

from otel_job_measure.forks import fork_gate

_LATER: Final = (
    "email.message",  # by the first answer with headers
    "encodings.idna",  # by the first host with a name
    "tokenize",  # by the first traceback in a log
    "tracemalloc",  # by the first warning of a library
)


def load(client: str) -> ModuleType:
    """Imports a server's client and all that a request may need, while forks wait.

    To be called on the thread of whoever sets things up, never on the shipper's.

    Args:
        client: The module of `otel_job_measure.delivery` that sends requests, as in `influxdb.client`.

    Returns:
        The module.
    """
    with fork_gate():
        for name in _LATER:
            importlib.import_module(name)
        return importlib.import_module(f"otel_job_measure.delivery.{client}")
