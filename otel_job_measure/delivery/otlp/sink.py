"""The sink that writes to an OTLP receiver: an OpenTelemetry Collector, Telegraf, or a backend that takes logs."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any, Final, Protocol

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.delivery import echoes
from otel_job_measure.delivery.influxdb.responses import Kind, Masked, NoAnswer, Verdict
from otel_job_measure.delivery.influxdb.words import Clues
from otel_job_measure.delivery.server_sink import ServerSink, load
from otel_job_measure.errors import LineProtocolError, MissingDependencyError, SettingsError
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import DeadLetters
from otel_job_measure.settings import OtlpDestination, Settings
from otel_job_measure.settings.destination import GRPC

# What messages name, and the settings that variables for logs can set too.
_ARGUMENTS: Final = {
    f"{names.ENV_OTLP_PREFIX}{end}": f"otlp_{end.lower()}"
    for end in ("PROTOCOL", "HEADERS", "COMPRESSION", "CLIENT_CERTIFICATE", "CLIENT_KEY", "CERTIFICATE")
}
# As records lines are up to five times as long, and receivers of gRPC take 4 MiB at once.
MAX_BYTES: Final = 600_000


class _Wire(Protocol):
    def export(self, records: Sequence[Any], *, timeout_s: float, now_s: float, masked: Masked) -> Verdict: ...
    def close(self) -> None: ...


class OtlpSink(ServerSink):
    """Writes chunks to an OTLP receiver, each line as a log record."""

    name = names.SINK_OTLP
    title = "the OTLP receiver"

    def __init__(
        self, settings: Settings, counters: Counters, dead_letters: DeadLetters, *, clock: Clock | None = None
    ) -> None:
        if not isinstance(settings.destination, OtlpDestination):
            raise SettingsError(f"there is no destination: {names.ENV_SINK} is not {names.SINK_OTLP!r}")
        self._destination = settings.destination
        self._records, self._client = _loaded(self._destination.protocol)
        super().__init__(
            settings,
            counters,
            dead_letters,
            url=self._destination.endpoint,
            label=self._destination.label,
            max_bytes=MAX_BYTES,
            timeout_s=settings.otlp_timeout_s or settings.timeout_s,
            clock=clock,
        )

    def _connect(self) -> _Wire:
        made: _Wire = self._client.Wire(self._settings, self._destination)
        return made

    def _request(self, lines: Sequence[bytes], timeout_s: float) -> Verdict:
        records: list[Any] = []
        blamed: list[str] = []
        for line in lines:
            try:
                records.append(self._records.record_of(line))
            except LineProtocolError as error:
                blamed.append(f"{line.decode(errors='replace')}': {error}")
        if blamed:
            clues = Clues(quoted=tuple(blamed))
            return Verdict(kind=Kind.LINES, message="no line protocol", clues=clues, reached=None)
        now_s = self._clock.wall_ns() / 1e9
        try:
            wire: _Wire = self._connected()
            verdict = wire.export(records, timeout_s=timeout_s, now_s=now_s, masked=self._masked)
        except NoAnswer as error:
            raise NoAnswer(self._as_set(str(error)), hold=error.hold) from None
        return replace(verdict, message=self._as_set(verdict.message))

    def _as_set(self, message: str) -> str:
        """Returns a message with the variables that are set: those of logs, where these take precedence."""
        endpoint = "otlp_endpoint" if self._settings.otlp_logs_endpoint is None else "otlp_logs_endpoint"
        message = message.replace(names.ENV_OTLP_ENDPOINT, self._settings.variable(endpoint))
        for general, argument in _ARGUMENTS.items():
            message = message.replace(general, self._settings.variable(argument))
        return message

    def _secrets(self) -> Iterable[str]:
        return (secret for value in self._settings.headers().values() for secret in echoes.of_header(value))


def _grpc_client() -> tuple[ModuleType, ModuleType]:
    from otel_job_measure.delivery.otlp import grpc_client, log_records  # noqa: PLC0415 - loads an extra's libraries

    return log_records, grpc_client


def _http_client() -> tuple[ModuleType, ModuleType]:
    from otel_job_measure.delivery.otlp import http_client, log_records  # noqa: PLC0415 - loads an extra's libraries

    return log_records, http_client


def _loaded(protocol: str) -> tuple[ModuleType, ModuleType]:
    client, extra = (_grpc_client, "otlp-grpc") if protocol == GRPC else (_http_client, "otlp")
    try:
        return load(client)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{names.ENV_SINK}={names.SINK_OTLP} with {protocol} needs {error.name}, which is not installed:"
            f" pip install 'otel-job-measure[{extra}]'"
        ) from error
