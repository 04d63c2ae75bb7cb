"""Servers whose TLS or certificate is not to be trusted get neither points nor secrets."""

import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure.journal.interfaces import Ack, WriteResult
from tests.delivery.receivers import ACCEPTED, GrpcReceiver, Sent, otlp
from tests.delivery.ship import sink_for
from tests.delivery.support import TinyServer, chunks_of, line, segment, server_context, settings_for

_FILES: Final = Path(__file__).with_name("server_certificates")
_AUTHORITY: Final = _FILES / "ca.pem"
_OLD: Final = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
_REFUSED: Final = (
    "untrusted",
    "of_another_name",
    "of_a_wildcard",
    "expired",
    "not_yet_valid",
    "of_a_client",
    "signed_by_no_authority",
)
"""Certificates for localhost, most of them of the trusted authority."""
_OF_ANOTHER_TIME: Final = ("expired", "not_yet_valid")


def written(url: str, **more: str) -> WriteResult:
    """Returns what comes of a write to InfluxDB."""
    sink = sink_for(settings_for(url, ca_file=_AUTHORITY, **more))
    result = sink.write(chunks_of(segment("a", line(1))))
    sink.close()
    return result


def exported(url: str, protocol: str = "http/protobuf", **more: str) -> WriteResult:
    """Returns what comes of an export."""
    sent = Sent(otlp(url, protocol, otlp_certificate=_AUTHORITY, **more))
    result = sent.take()
    sent.sink.close()
    return result


def served(context: ssl.SSLContext) -> Iterator[TinyServer]:
    """Gives a server with some TLS."""
    server = TinyServer(tls=context)
    yield server
    server.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("kind", [*_REFUSED, "name_only_in_cn"])
def test_such_a_certificate_is_refused(kind: str, host: str) -> None:
    """By both sinks, before any of a request is sent; the points wait, and the message tells what to set."""
    for server in served(server_context(_FILES / f"{kind}.pem")):
        url = server.url.replace("127.0.0.1", host)
        for result, ca_file in ((written(url), "CA_FILE"), (exported(url), "OTEL_EXPORTER_OTLP_CERTIFICATE")):
            assert result.ack is Ack.HOLD
            assert ("renew" if kind in _OF_ANOTHER_TIME else ca_file) in result.message
        assert server.requests == []


@pytest.mark.parametrize("kind", _REFUSED)
def test_such_a_certificate_is_refused_over_grpc(kind: str) -> None:
    """The points wait."""
    receiver = GrpcReceiver(tls=True, pem=_FILES / f"{kind}.pem")
    try:
        result = exported(receiver.url.replace("127.0.0.1", "localhost"), "grpc")
        assert result.ack is not Ack.DONE
        assert ("renew" in result.message) is (kind in _OF_ANOTHER_TIME)
        assert receiver.requests == []
    finally:
        receiver.close()


def test_the_right_certificate_is_taken() -> None:
    """From a server of the same authority, by each of the three ways: the others are refused for what is wrong."""
    for server in served(server_context(_FILES / "right.pem")):
        assert written(server.url).ack is Ack.DONE
        server.always = ACCEPTED
        assert exported(server.url).ack is Ack.DONE
    receiver = GrpcReceiver(tls=True, pem=_FILES / "right.pem")
    assert exported(receiver.url.replace("127.0.0.1", "localhost"), "grpc").ack is Ack.DONE
    receiver.close()


@pytest.mark.parametrize("kind", ["untrusted", "of_another_name", "expired", "name_only_in_cn"])
def test_a_proxy_is_looked_at_in_the_same_way(kind: str) -> None:
    """A proxy that is spoken to by TLS gets neither points nor its password."""
    for proxy in served(server_context(_FILES / f"{kind}.pem")):
        url = proxy.url.replace("//", "//user:password@")
        for result in (written("http://influx.example", proxy=url), exported("http://otlp.example", proxy=url)):
            assert result.ack is Ack.HOLD
            assert "no TLS connection with the proxy" in result.message
        assert proxy.requests == []


@pytest.mark.parametrize("version", _OLD)
def test_old_versions_of_tls_are_refused(version: ssl.TLSVersion) -> None:
    """By both sinks and by gRPC, though the server speaks this version with a client that accepts it."""
    for server in served(only(version, server_context(_FILES / "right.pem"))):
        assert spoken(server.port, version) == version.name.replace("_", ".")
        for result in (written(server.url), exported(server.url)):
            assert result.ack is Ack.HOLD
            assert "it needs TLS 1.2 or newer" in result.message
        assert exported(server.url.replace("127.0.0.1", "localhost"), "grpc").ack is not Ack.DONE
        assert server.requests == []


def only(version: ssl.TLSVersion, context: ssl.SSLContext) -> ssl.SSLContext:
    """Returns a context that speaks one old version of TLS."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context


def spoken(port: int, version: ssl.TLSVersion) -> str | None:
    """Returns the version of TLS that a server speaks with a client that accepts only this one."""
    context = only(version, ssl.create_default_context(cafile=_AUTHORITY))
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        return secured.version()
