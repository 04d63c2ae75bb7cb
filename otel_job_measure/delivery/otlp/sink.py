"""The sink that a receiver of OTLP is: an OpenTelemetry Collector, Telegraf, or a backend that takes logs."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.delivery.checkpoints import Progress
from otel_job_measure.delivery.influxdb.responses import Kind, Verdict
from otel_job_measure.delivery.libraries import load
from otel_job_measure.delivery.otlp.log_records import Record, record_of
from otel_job_measure.delivery.server_sink import ServerSink
from otel_job_measure.errors import LineProtocolError, MissingDependencyError, SettingsError
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Rejects
from otel_job_measure.settings import OtlpDestination, Settings
from otel_job_measure.settings.destination import GRPC

# As records lines are up to five times as long, and receivers of gRPC take 4 MiB at once.
MAX_BYTES: Final = 600_000
_LEAST_SECRET: Final = 6


class _Wire(Protocol):
    """One way of a request to a receiver, over HTTP or gRPC."""

    def export(self, records: Sequence[Record], *, timeout_s: float, now_s: float) -> Verdict:
        """Sends records and says what the answer means.

        Args:
            records: What to send.
            timeout_s: How long it may take, in seconds.
            now_s: The time in seconds since 1970.

        Returns:
            What the answer means.

        Raises:
            NoAnswer: There was none.
        """
        ...

    def close(self) -> None:
        """Closes the connections."""
        ...


class OtlpSink(ServerSink):
    """Brings chunks to a receiver of OTLP logs, each line as a record.

    Args:
        settings: Where to, and how.
        counters: Where points are counted.
        rejects: Where the lines go that the receiver will never take.
        clock: The machine's clocks.
        progress: Remembers what was sent of the segments of others; None where this process sees to its own.

    Raises:
        SettingsError: The settings name no receiver.
        MissingDependencyError: A library is not installed; the message has the line that installs it.
    """

    name = names.SINK_OTLP
    title = "the OTLP receiver"

    def __init__(
        self,
        settings: Settings,
        counters: Counters,
        rejects: Rejects,
        *,
        clock: Clock | None = None,
        progress: Progress | None = None,
    ) -> None:
        if not isinstance(settings.destination, OtlpDestination):
            raise SettingsError(f"nothing says where to deliver: {names.ENV_SINK} is not {names.SINK_OTLP!r}")
        self._destination = settings.destination
        super().__init__(
            counters,
            rejects,
            label=self._destination.label,
            max_bytes=MAX_BYTES,
            timeout_s=settings.otlp_timeout_s or settings.timeout_s,
            clock=clock,
            progress=progress,
        )
        self._settings = settings
        self._library = _loaded(self._destination.protocol)
        self._wire = self._connect()

    def close(self) -> None:
        """Closes our connections."""
        if os.getpid() == self._pid:
            self._wire.close()

    def _connect(self) -> _Wire:
        self._pid = os.getpid()
        made: _Wire = self._library.Wire(self._settings, self._destination)
        return made

    def _request(self, lines: Sequence[bytes], timeout_s: float) -> Verdict:
        if os.getpid() != self._pid:
            self._wire = self._connect()
        records: list[Record] = []
        blamed: list[str] = []
        for line in lines:
            try:
                records.append(record_of(line))
            except LineProtocolError as error:
                blamed.append(f"{line.decode(errors='replace')}': {error}")
        if blamed:
            return Verdict(kind=Kind.UNPARSABLE, words="no line protocol", blamed=tuple(blamed), reached=None)
        verdict = self._wire.export(records, timeout_s=timeout_s, now_s=self._clock.wall_ns() / 1e9)
        return replace(verdict, words=self._without_secrets(verdict.words))

    def _without_secrets(self, words: str) -> str:
        """Returns words of a receiver, in case it repeats what it was sent."""
        for value in self._settings.headers().values():
            for secret in (value, *value.split()):
                words = words.replace(secret, "***") if len(secret) >= _LEAST_SECRET else words
        return words


def _loaded(protocol: str) -> Any:  # noqa: ANN401 - one of two modules with a class Wire
    wire, extra = ("otlp.grpc_client", "otlp-grpc") if protocol == GRPC else ("otlp.http_client", "otlp")
    try:
        return load(wire)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{names.ENV_SINK}={names.SINK_OTLP} with {protocol} needs {error.name}, which is not installed:"
            f" pip install 'otel-job-measure[{extra}]'"
        ) from error
