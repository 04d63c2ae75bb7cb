"""What messages about an OTLP receiver tell to set."""

import re

import pytest

from otel_job_measure.settings import Settings
from tests.delivery.receivers import GrpcReceiver, GrpcReply, Sent
from tests.delivery.support import CA_FILE, Reply, TinyServer
from tests.delivery.test_influx_ways import raw_server

PREFIX = "OTEL_EXPORTER_OTLP_"
SETTINGS_FRAME = bytes(3) + b"\4" + bytes(5)  # how a server of HTTP/2 greets


def settings(**variables: str) -> Settings:
    """Returns settings of variables, named without what all of them begin with."""
    environ = {f"{PREFIX}{name}": value for name, value in variables.items()}
    return Settings.from_env({"HOME": "/", "OTEL_JOB_MEASURE_SINK": "otlp", **environ})


def words(made: Settings) -> str:
    """Returns what a sink says of one request."""
    sent = Sent(made)
    said = sent.take().message
    sent.sink.close()
    return said


@pytest.mark.parametrize(
    ("status", "name"), [(404, "ENDPOINT"), (400, "ENDPOINT"), (415, "ENDPOINT"), (401, "HEADERS")]
)
@pytest.mark.parametrize("prefix", ["", "LOGS_"])
def test_the_variable_that_is_set_is_named(http: TinyServer, status: int, name: str, prefix: str) -> None:
    """The one for logs if the value comes from it, otherwise the general one."""
    http.always = Reply(status)
    made = settings(**{f"{prefix}ENDPOINT": http.url, f"{prefix}HEADERS": "a=b", "TIMEOUT": "5"})
    assert re.findall(rf"{PREFIX}\w+", words(made)) == [f"{PREFIX}{prefix}{name}"]


@pytest.mark.parametrize("prefix", ["", "LOGS_"])
def test_a_certificate_names_its_variable(http_tls: TinyServer, prefix: str) -> None:
    """Also in the settings that were made from others."""
    made = settings(**{"LOGS_ENDPOINT": http_tls.url, f"{prefix}CERTIFICATE": str(CA_FILE.with_name("server.pem"))})
    untrusted = made.changed(otlp_certificate=CA_FILE.parent / "server_certificates" / "ca.pem")
    assert f"set {PREFIX}{prefix}CERTIFICATE to the certificates" in words(untrusted)
    assert f"or {PREFIX}LOGS_ENDPOINT to a name" in words(untrusted)


def test_the_variables_of_grpc_are_named() -> None:
    """As over HTTP."""
    receiver = GrpcReceiver(always=GrpcReply("UNAUTHENTICATED"))
    made = settings(LOGS_ENDPOINT=f"http://127.0.0.1:{receiver.port}", LOGS_HEADERS="a=b", PROTOCOL="grpc")
    assert f"set {PREFIX}LOGS_HEADERS to" in words(made)
    receiver.close()


@pytest.mark.parametrize("prefix", ["", "LOGS_"])
@pytest.mark.parametrize(("answer", "reset"), [(b"", True), (b"", False), (SETTINGS_FRAME, False)])
def test_http_to_a_port_of_grpc(prefix: str, answer: bytes, reset: bool) -> None:  # noqa: FBT001
    """Its server resets the connection, closes it, or answers in HTTP/2; the protocol is what to set."""
    with raw_server(answer, reset=reset) as url:
        said = words(settings(**{"ENDPOINT": url, f"{prefix}PROTOCOL": "http/protobuf"}))
    assert said.endswith(f"; if that is a port for gRPC, set {PREFIX}{prefix}PROTOCOL to grpc")


def test_https_to_a_port_of_grpc() -> None:
    """Its server takes nothing but HTTP/2, and the handshake fails."""
    receiver = GrpcReceiver(tls=True)
    made = settings(ENDPOINT=f"https://localhost:{receiver.port}", CERTIFICATE=str(CA_FILE))
    assert f"set {PREFIX}PROTOCOL to grpc" in words(made)
    receiver.close()


def test_grpc_to_a_port_of_https(http_tls: TinyServer) -> None:
    """The server speaks no HTTP/2."""
    made = settings(ENDPOINT=http_tls.url, CERTIFICATE=str(CA_FILE), PROTOCOL="grpc")
    assert f"set {PREFIX}PROTOCOL to http/protobuf" in words(made)
