"""One request to a receiver of OTLP over gRPC."""

import importlib
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import grpc

from otel_job_measure import names
from otel_job_measure.delivery.client_certificate import ClientCertificate
from otel_job_measure.delivery.influxdb.responses import Masked, NoAnswer, Verdict
from otel_job_measure.delivery.otlp.log_records import NoMessageError, Record, decode_success, encode, retry_delay_s
from otel_job_measure.delivery.otlp.responses import judge_grpc, judge_success, no_success
from otel_job_measure.delivery.server_sink import never_collect_in_children
from otel_job_measure.settings import OtlpDestination, Settings

for _later in ("grpc._channel", "grpc._simple_stubs", "grpc.experimental", "datetime"):  # by the first channel
    importlib.import_module(_later)

_METHOD: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
_DETAILS: Final = "grpc-status-details-bin"
_PORTS: Final = {"http": 80, "https": 443}
_MOST_ANSWER: Final = 4 * 1024 * 1024
_OPTIONS: Final = (
    ("grpc.primary_user_agent", "otel-job-measure"),
    ("grpc.enable_retries", 0),  # the shipper retries
    ("grpc.max_receive_message_length", _MOST_ANSWER),  # also after it is decompressed
    ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection, not one that waits to try again
)
_users: Final[set[int]] = set()


class Wire:
    """The package's own channel to one receiver, opened again after each failure, so that a call is one attempt."""

    def __init__(self, settings: Settings, destination: OtlpDestination) -> None:
        self._settings = settings
        self._url = destination.endpoint
        self._metadata = tuple(settings.headers().items())
        self._compression = grpc.Compression.Gzip if settings.otlp_compression == "gzip" else None
        self._channel: grpc.Channel | None = None
        never_collect_in_children(self)

    def export(self, records: Sequence[Record], *, timeout_s: float, now_s: float, masked: Masked) -> Verdict:  # noqa: ARG002 - as HTTP
        """Sends records with one call; raises `NoAnswer`."""
        _claim()
        self._channel = self._channel or self._connect()
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(_METHOD)
        try:
            answer = call(encode(records), timeout=timeout_s, metadata=self._metadata, compression=self._compression)
            refused, message = decode_success(answer)
        except NoMessageError:
            return no_success("OK")
        except grpc.RpcError as error:
            self.close()
            return self._judge(error, timeout_s, masked)
        return judge_success(len(records), refused, masked(message))

    def close(self) -> None:
        """Closes the channel."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _judge(self, error: grpc.RpcError, timeout_s: float, masked: Masked) -> Verdict:
        code = error.code().name
        if code == grpc.StatusCode.DEADLINE_EXCEEDED.name:
            raise NoAnswer(f"no answer from {self._url} within {timeout_s:g} s", hold=False) from None
        status = next((each.value for each in error.trailing_metadata() or () if each.key == _DETAILS), b"")
        wait_s = retry_delay_s(status)
        return judge_grpc(code, masked(error.details() or ""), wait_s=wait_s)

    def _connect(self) -> grpc.Channel:
        scheme, _, host = self._url.partition("://")
        target = host if host.rpartition("]")[2].count(":") else f"{host}:{_PORTS[scheme]}"
        proxy = self._settings.proxy_for(self._url)
        if proxy is not None and proxy.startswith("socks"):
            words = f"gRPC cannot use a SOCKS proxy: set {names.ENV_OTLP_PREFIX}PROTOCOL to http/protobuf"
            raise NoAnswer(words, hold=True)
        # A slice has the URL's own characters; printed, it hides the password.
        options = (*_OPTIONS, ("grpc.enable_http_proxy", 0) if proxy is None else ("grpc.http_proxy", proxy[:]))
        if scheme == "http":
            return grpc.insecure_channel(target, options)
        return grpc.secure_channel(target, self._credentials(), options)

    def _credentials(self) -> grpc.ChannelCredentials:
        settings = self._settings
        if trouble := ClientCertificate.for_otlp(settings).trouble():
            raise NoAnswer(trouble, hold=True)
        trusted = settings.otlp_certificate or settings.ca_file or ssl.get_default_verify_paths().cafile
        try:
            return grpc.ssl_channel_credentials(
                _read(trusted), _read(settings.otlp_client_key), _read(settings.otlp_client_certificate)
            )
        except OSError as error:
            message = f"the file of {names.ENV_OTLP_CERTIFICATE} cannot be read: {error.strerror}"
            raise NoAnswer(message, hold=True) from None


def _read(path: Path | str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()


def _claim() -> None:
    """Refuses gRPC in a fork of a process that used it: the library would hang or crash there."""
    if _users - {os.getpid()}:
        raise NoAnswer(
            "gRPC cannot be used in a process that was forked from one that uses it; its points are sent after it"
            f" ends, or by `otel-job-measure ship`, or set {names.ENV_OTLP_PREFIX}PROTOCOL to http/protobuf",
            hold=True,
        )
    _users.add(os.getpid())
