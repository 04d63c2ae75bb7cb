"""The sink that writes to InfluxDB."""

import gzip
from base64 import b64encode
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any, Final, Protocol

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.delivery.influxdb.advice import UNKNOWN
from otel_job_measure.delivery.influxdb.responses import Masked, Response, Verdict, judge
from otel_job_measure.delivery.lines import body_of
from otel_job_measure.delivery.server_sink import ServerSink, load
from otel_job_measure.errors import SettingsError
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import DeadLetters
from otel_job_measure.settings import Destination, Settings

MAX_BYTES: Final = 900_000
_COMPRESSION: Final = 1
"""Lines are so similar that a higher level takes twice the time and saves a fifth of the size."""


class _Wire(Protocol):
    def post(self, body: bytes, *, authorization: str | None, timeout_s: float, masked: Masked) -> Response: ...
    def secrets(self) -> Iterable[str]: ...
    def close(self) -> None: ...


def _client() -> ModuleType:
    from otel_job_measure.delivery.influxdb import client  # noqa: PLC0415 - loads influxdb-client

    return client


class InfluxSink(ServerSink):
    """Writes chunks to InfluxDB, with the user's own client if one is given; that client is never closed."""

    name = names.SINK_INFLUXDB
    title = "InfluxDB"

    def __init__(
        self,
        settings: Settings,
        counters: Counters,
        dead_letters: DeadLetters,
        *,
        client: Any = None,  # noqa: ANN401 - influxdb-client is loaded below, and has no types where it matters
        clock: Clock | None = None,
    ) -> None:
        if not isinstance(settings.destination, Destination):
            raise SettingsError(
                f"there is no destination: set {names.ENV_INFLUXDB_URL}, {names.ENV_INFLUXDB_TOKEN}, "
                f"{names.ENV_INFLUXDB_ORG} and {names.ENV_INFLUXDB_BUCKET}, or {names.ENV_SINK}={names.SINK_OTLP}"
            )
        self._destination = settings.destination
        self._client = client
        self._server = UNKNOWN
        self._library = load(_client)
        super().__init__(
            settings,
            counters,
            dead_letters,
            url=self._destination.url,
            label=self._destination.label,
            max_bytes=MAX_BYTES,
            timeout_s=settings.timeout_s,
            clock=clock,
        )

    @property
    def server(self) -> str | None:
        """Returns the name and version of the server, as its last answer had them; None if it does not say."""
        return None if self._server == UNKNOWN else self._server.title

    def _connect(self) -> _Wire:
        wires: Any = self._library.Wire
        made: _Wire = (
            wires.of_settings(self._settings, self._destination)
            if self._client is None
            else wires.of_client(self._client, self._destination)
        )
        return made

    def _request(self, lines: Sequence[bytes], timeout_s: float) -> Verdict:
        body = gzip.compress(body_of(lines), _COMPRESSION, mtime=0)
        authorization = self._authorization() if self._client is None else None
        wire: _Wire = self._connected()
        response = wire.post(body, authorization=authorization, timeout_s=timeout_s, masked=self._masked)
        verdict = judge(response, now_s=self._clock.wall_ns() / 1e9, masked=self._masked, known=self._server)
        self._server = verdict.server
        return verdict

    def _authorization(self) -> str | None:
        """Returns the header that names the sender; None for an InfluxDB 1.x without users."""
        settings = self._settings
        if settings.influxdb_username is not None:
            # Unlike `Token user:password`, this takes any password.
            return f"Basic {b64encode(f'{settings.influxdb_username}:{settings.password()}'.encode()).decode()}"
        has_token = settings.influxdb_token is not None or settings.influxdb_token_file is not None
        return f"Token {settings.token()}" if has_token or settings.influxdb_org is not None else None

    def _secrets(self) -> Iterable[str]:
        wire: _Wire = self._wire
        return wire.secrets()
