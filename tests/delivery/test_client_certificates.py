"""Servers that demand a client certificate, and each way to show a wrong one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure.journal.interfaces import Ack, WriteResult
from tests.delivery.receivers import ACCEPTED, GrpcReceiver, Sent, otlp
from tests.delivery.ship import sink_for
from tests.delivery.support import CA_FILE, TinyServer, chunks_of, line, segment, settings_for

_FILES: Final = Path(__file__).with_name("client_certificates")
_WRONG: Final = {
    "belongs to another certificate": ("right.pem", "other.key"),
    "has a password": ("right.pem", "encrypted.key"),
    "is not in PEM format": ("junk", "right.key"),
    "No such file or directory": ("gone", "right.key"),
}


@pytest.fixture
def demanding() -> Iterator[TinyServer]:
    """A server, of either sink, that demands a certificate of its own authority."""
    server = TinyServer(tls=True, clients=_FILES / "ca.pem")
    yield server
    server.close()


def files(tmp_path: Path, *names: str) -> list[Path]:
    """Returns the files of a certificate and its key; two names mean files that are no certificate, or that go."""
    found: list[Path] = []
    for name in names:
        path = _FILES / name
        if name in {"junk", "gone"}:
            path = tmp_path / name
            path.write_text("x")
        found.append(path)
    return found


def written(server: TinyServer, shown: list[Path]) -> WriteResult:
    """Returns what comes of a write to InfluxDB with a certificate and its key."""
    own = {"influxdb_client_certificate": shown[0], "influxdb_client_key": shown[1]} if shown else {}
    sink = sink_for(settings_for(server.url, ca_file=CA_FILE, **own))
    for path in shown:
        if path.name == "gone":
            path.unlink()
    result = sink.write(chunks_of(segment("a", line(1))))
    sink.close()
    return result


def exported(url: str, protocol: str, shown: list[Path]) -> WriteResult:
    """Returns what comes of an export with a certificate and its key."""
    own = {"otlp_client_certificate": shown[0], "otlp_client_key": shown[1]} if shown else {}
    sent = Sent(otlp(url, protocol, otlp_certificate=CA_FILE, **own))
    for path in shown:
        if path.name == "gone":
            path.unlink()
    result = sent.take()
    sent.sink.close()
    return result


def test_the_right_one_is_taken(tmp_path: Path, demanding: TinyServer) -> None:
    """By both sinks."""
    right = files(tmp_path, "right.pem", "right.key")
    assert written(demanding, right).ack is Ack.DONE
    demanding.always = ACCEPTED
    assert exported(demanding.url, "http/protobuf", right).ack is Ack.DONE


@pytest.mark.parametrize(("says", "names"), _WRONG.items())
def test_files_that_cannot_be_used_are_told_by_variable(
    tmp_path: Path, demanding: TinyServer, says: str, names: tuple[str, str]
) -> None:
    """The points wait, and no terminal is asked for a password."""
    for result, prefix in (
        (written(demanding, files(tmp_path, *names)), "INFLUXDB"),
        (exported(demanding.url, "http/protobuf", files(tmp_path, *names)), "OTEL_EXPORTER_OTLP"),
        (exported(demanding.url, "grpc", files(tmp_path, *names)), "OTEL_EXPORTER_OTLP"),
    ):
        assert result.ack is Ack.HOLD
        assert f"the client certificate of {prefix}_CLIENT_CERTIFICATE cannot be used: " in result.message
        assert f"{prefix}_CLIENT_KEY" in result.message
        assert says in result.message


@pytest.mark.parametrize("names", [("expired.pem", "right.key"), ("other.pem", "other.key"), ()])
def test_what_the_server_refuses_is_told_by_variable(
    tmp_path: Path, demanding: TinyServer, names: tuple[str, ...]
) -> None:
    """An expired one, one of another authority, none at all: the points wait."""
    shown = files(tmp_path, *names)
    for result, prefix in (
        (written(demanding, shown), "INFLUXDB"),
        (exported(demanding.url, "http/protobuf", shown), "OTEL_EXPORTER_OTLP"),
    ):
        assert result.ack is not Ack.DONE
        assert f"{prefix}_CLIENT_CERTIFICATE" in result.message
        assert "_CA_FILE" not in result.message
    assert demanding.requests == []


def test_grpc_shows_it_too(tmp_path: Path) -> None:
    """To a receiver that demands one."""
    receiver = GrpcReceiver(tls=True, clients=_FILES / "ca.pem")
    try:
        url = receiver.url.replace("127.0.0.1", "localhost")
        assert exported(url, "grpc", files(tmp_path, "right.pem", "right.key")).ack is Ack.DONE
        assert exported(url, "grpc", files(tmp_path, "other.pem", "other.key")).ack is not Ack.DONE
        assert len(receiver.requests) == 1
    finally:
        receiver.close()
