"""Receivers of OTLP logs that answer as they are told: over HTTP a tiny server, over gRPC one of grpcio's own."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # it has stubs, and no marker
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # the same
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from otel_job_measure.delivery.otlp.sink import OtlpSink
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import WriteResult
from otel_job_measure.settings import Settings
from tests.delivery.support import SERVER_PEM, ListRejects, Reply, TinyServer, chunks_of, is_word, line, segment

PROTOBUF = {"Content-Type": "application/x-protobuf"}
ACCEPTED = Reply(200, PROTOBUF)
SECRET = "a-secret-key"


def partial(rejected: int, words: str = "") -> bytes:
    """Returns the answer of a receiver that rejects some records."""
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = rejected
    answer.partial_success.error_message = words
    return answer.SerializeToString()


def status(words: str, *, wait_s: float | None = None) -> bytes:
    """Returns the `Status` of an error, with a RetryInfo where it asks to wait."""
    details: list[AnyMessage] = []
    if wait_s is not None:
        info = RetryInfo()
        info.retry_delay.FromMilliseconds(int(wait_s * 1000))
        details.append(AnyMessage())
        details[0].Pack(info)
    encoded: bytes = Status(code=14, message=words, details=details).SerializeToString()
    return encoded


def records_in(body: bytes) -> list[LogRecord]:
    """Returns the records of a request, whose resource is empty and whose scope is ours."""
    [resource_logs] = ExportLogsServiceRequest.FromString(body).resource_logs
    [scope_logs] = resource_logs.scope_logs
    assert (list(resource_logs.resource.attributes), scope_logs.scope.name) == ([], "otel_job_measure")
    return list(scope_logs.log_records)


def attributes_of(record: LogRecord) -> dict[str, object]:
    """Returns a record's attributes as Python's values."""
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in record.attributes}


def run_ids(body: bytes) -> list[object]:
    """Returns the runs that a request tells of."""
    return [attributes_of(record)["scheduling.job.run_id"] for record in records_in(body)]


@dataclass(frozen=True)
class GrpcReply:
    """What the gRPC receiver answers."""

    code: str = "OK"
    details: str = ""
    metadata: Sequence[tuple[str, str | bytes]] = ()
    body: bytes = b""


@dataclass(frozen=True)
class GrpcRequest:
    """What it was asked."""

    metadata: dict[str, str | bytes]
    body: bytes
    peer: str


@dataclass
class GrpcReceiver:
    """Answers requests on a free port; `always` where nothing else is left in `replies`."""

    tls: bool = False
    replies: list[GrpcReply] = field(default_factory=list[GrpcReply])
    always: GrpcReply = field(default_factory=GrpcReply)
    requests: list[GrpcRequest] = field(default_factory=list[GrpcRequest])
    silent: threading.Event | None = None
    """While it is there requests wait for it."""
    port: int = 0
    clients: Path | None = None
    """The authority of the client certificates that it demands."""
    pem: Path = SERVER_PEM
    """Its certificate and key."""

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(4)
        self._server = grpc.server(self._pool, [_Handlers(self)], options=[("grpc.max_receive_message_length", -1)])
        if self.tls:
            pem = self.pem.read_bytes()
            clients = None if self.clients is None else self.clients.read_bytes()
            credentials = grpc.ssl_server_credentials([(pem, pem)], clients, clients is not None)
            self.port = self._server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        else:
            self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        self._server.start()

    def answer(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        """Answers one request."""
        metadata = dict(context.invocation_metadata())
        if is_word(body):
            return self.always.body
        self.requests.append(GrpcRequest(metadata, body, context.peer()))
        if self.silent is not None:
            self.silent.wait()
        reply = self.replies.pop(0) if self.replies else self.always
        context.set_trailing_metadata(tuple(reply.metadata))
        if reply.code != "OK":
            context.abort(grpc.StatusCode[reply.code], reply.details)
        return reply.body

    def close(self) -> None:
        """Stops it."""
        if self.silent is not None:
            self.silent.set()
        self._server.stop(None).wait()
        self._pool.shutdown()


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, receiver: GrpcReceiver) -> None:
        self._receiver = receiver

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        if handler_call_details.method != "/opentelemetry.proto.collector.logs.v1.LogsService/Export":
            return None
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(self._receiver.answer)
        return handler


class Sent:
    """A sink for some settings, and what became of what it was given."""

    def __init__(self, settings: Settings, **more: Any) -> None:  # noqa: ANN401 - any of the sink's own arguments
        self.counters, self.rejects = Counters(), ListRejects()
        self.sink = OtlpSink(settings, self.counters, self.rejects, **more)

    def take(self, *lines: bytes) -> WriteResult:
        """Gives it a segment with some lines, or with one."""
        return self.sink.write(chunks_of(segment("a", *(lines or (line(1),)))))

    def counts(self) -> tuple[int, int]:
        """Returns how many points were delivered and rejected."""
        counts = self.counters.now()
        return counts.delivered, counts.rejected


def otlp(url: str, protocol: str = "http/protobuf", **more: Any) -> Settings:  # noqa: ANN401 - arguments of Settings
    """Returns settings that deliver to a receiver."""
    arguments: dict[str, Any] = {
        "sink": "otlp",
        "otlp_endpoint": url,
        "otlp_protocol": protocol,
        "otlp_headers": f"authorization=Bearer%20{SECRET}",
        "timeout_s": 60.0,
    }
    return Settings(**(arguments | more))


def http_receiver(*, tls: bool = False) -> TinyServer:
    """Returns a receiver over HTTP that accepts everything until it is told otherwise."""
    tiny = TinyServer(tls=tls)
    tiny.always = ACCEPTED
    return tiny


def closing(receiver: GrpcReceiver | TinyServer) -> Iterator[Any]:
    """Gives a receiver and closes it, for fixtures."""
    yield receiver
    receiver.close()
