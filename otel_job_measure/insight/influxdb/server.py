"""Which InfluxDB it is, and so which language it is asked in."""

import json
from collections.abc import Callable, Mapping
from typing import Final, cast

from otel_job_measure.delivery.influxdb.advice import Server, server_of
from otel_job_measure.insight.influxdb.ask import Language
from otel_job_measure.insight.influxdb.connection import Connection
from otel_job_measure.insight.influxdb.flux import Flux
from otel_job_measure.insight.influxdb.influxql import InfluxQl
from otel_job_measure.insight.influxdb.sql import Sql

_LANGUAGES: Final[Mapping[int | None, Callable[[Connection], Language]]] = {1: InfluxQl, 2: Flux, 3: Sql}


def language_of(connection: Connection) -> tuple[Server, Language]:
    """Finds out what the server is and returns that too; an unknown one is taken for an InfluxDB 2.

    Only Core and Enterprise answer SQL over HTTP; the managed editions of version 3 do not say which version they are.
    """
    server = server_of(connection.get("/ping").headers)
    if server.generation is None:  # a proxy can drop headers
        server = _of_health(connection.get("/health").body)
    generation = 1 if server.version == "3" else server.generation
    return server, _LANGUAGES.get(generation, Flux)(connection)


def _of_health(body: bytes) -> Server:
    try:
        content: object = json.loads(body)
    except (ValueError, RecursionError):
        return Server()
    found = cast("dict[str, object]", content) if isinstance(content, dict) else {}
    version = found.get("version")
    return server_of({"x-influxdb-version": version}) if isinstance(version, str) else Server()
