"""The sink that InfluxDB is."""

import gzip
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.delivery.checkpoints import Progress
from otel_job_measure.delivery.influxdb.responses import Response, Verdict, judge
from otel_job_measure.delivery.libraries import load
from otel_job_measure.delivery.physical import Points, body_of
from otel_job_measure.delivery.server_sink import ServerSink
from otel_job_measure.errors import SettingsError
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Rejects
from otel_job_measure.settings import Destination, Settings

MAX_BYTES: Final = 900_000
_COMPRESSION: Final = 1
"""Lines are so much alike that more of it takes twice the time and makes them a fifth smaller."""


class _Wire(Protocol):
    def post(self, body: bytes, *, token: str | None, timeout_s: float) -> Response: ...
    def without_secrets(self, words: str) -> str: ...
    def close(self) -> None: ...


class InfluxSink(ServerSink):
    """Brings chunks to InfluxDB.

    Args:
        settings: Where to, with which token, and how.
        counters: Where points are counted.
        rejects: Where the lines go that the server will never take.
        client: A client of the user's own (`InfluxDBClient`): its server, rights and ways are used; it is not closed.
        clock: The machine's clocks.
        progress: Remembers what was sent of the segments of others; None where this process sees to its own.

    Raises:
        SettingsError: The settings name no bucket of an InfluxDB.
    """

    name = names.SINK_INFLUXDB
    title = "InfluxDB"

    def __init__(  # noqa: PLR0913 - what there is to say about where and how
        self,
        settings: Settings,
        counters: Counters,
        rejects: Rejects,
        *,
        client: Any = None,  # noqa: ANN401 - influxdb-client is loaded below, and has no types where it matters
        clock: Clock | None = None,
        progress: Progress | None = None,
    ) -> None:
        if not isinstance(settings.destination, Destination):
            raise SettingsError(
                f"nothing says where to deliver: {names.ENV_INFLUXDB_URL} is missing, with {names.ENV_INFLUXDB_TOKEN}, "
                f"{names.ENV_INFLUXDB_ORG} and {names.ENV_INFLUXDB_BUCKET}, or {names.ENV_SINK}={names.SINK_OTLP}"
            )
        self._destination = settings.destination
        super().__init__(
            counters,
            rejects,
            label=self._destination.label,
            max_bytes=MAX_BYTES,
            timeout_s=settings.timeout_s,
            clock=clock,
            progress=progress,
        )
        self._settings = settings
        self._client = client
        self._library = load("influxdb.client")
        self._wire = self._connect()

    def close(self) -> None:
        """Closes our connections; those of a user's client are its own."""
        if os.getpid() == self._pid:
            self._wire.close()

    def _connect(self) -> _Wire:
        self._pid = os.getpid()
        wires: Any = self._library.Wire
        made: _Wire = (
            wires.of_settings(self._settings, self._destination)
            if self._client is None
            else wires.of_client(self._client, self._destination)
        )
        return made

    def _packed(self, points: Points) -> bytes:
        return _gzipped(points)

    def _request(self, lines: Sequence[bytes], timeout_s: float) -> Verdict:
        if os.getpid() != self._pid:
            self._wire = self._connect()
        body = (lines.packed if isinstance(lines, Points) else None) or _gzipped(lines)
        token = self._settings.token() if self._client is None else None
        response = self._wire.post(body, token=token, timeout_s=timeout_s)
        verdict = judge(response, now_s=self._clock.wall_ns() / 1e9)
        return replace(verdict, words=self._wire.without_secrets(verdict.words))


def _gzipped(lines: Sequence[bytes]) -> bytes:
    return gzip.compress(body_of(lines), _COMPRESSION, mtime=0)
