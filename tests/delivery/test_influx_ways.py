"""The ways to a server that fail: silence, broken connections, TLS, proxies."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from otel_job_measure.journal.interfaces import Ack
from tests.delivery.ship import sink_for
from tests.delivery.support import (
    CA_FILE,
    ManualClock,
    TinyServer,
    chunks_of,
    line,
    segment,
    settings_for,
)

TOKEN = "a-secret-token"


def closed_port() -> int:
    """Returns a port without a server."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def read_request(connection: socket.socket) -> None:
    """Reads a whole request: a connection that is closed with unread bytes in it is a broken one."""
    with connection.makefile("rb") as request:
        length = 0
        while header := request.readline().strip():
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        request.read(length)


@contextmanager
def raw_server(
    answer: bytes | None, *, reset: bool = False, read: Callable[[socket.socket], object] = read_request
) -> Generator[str]:
    """Accepts one connection after the other, reads, and answers with some bytes, or with silence."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                kept.append(connection)
                if answer is not None:
                    read(connection)
                    connection.sendall(answer)
                    if reset:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in kept:
        connection.close()


def test_nobody_at_the_door() -> None:
    """A refused connection is waited for, with the address in words."""
    url = f"http://127.0.0.1:{closed_port()}"
    sink = sink_for(settings_for(url))
    answer = sink.write(chunks_of(segment("a", line(1))))
    assert (answer.ack, answer.message) == (Ack.RETRY, f"no answer from {url}: Connection refused")
    assert sink.reachable is False


def test_silence_is_waited_for_no_longer_than_the_time_out() -> None:
    """A server that accepts and says nothing costs one time-out."""
    with raw_server(None) as url:
        answer = sink_for(settings_for(url, timeout_s=0.2)).write(chunks_of(segment("a", line(1))))
    assert (answer.ack, answer.message) == (Ack.RETRY, f"no answer from {url} within 0.2 s")


@pytest.mark.parametrize(
    ("answer", "reset", "says"),
    [
        (b"", True, "Connection reset by peer"),
        (b"", False, "it closed the connection without an answer"),
        (
            b"SSH-2.0-OpenSSH\r\n",
            False,
            "its answer is not HTTP; perhaps another server listens there, or the URL needs https://",
        ),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 100\r\n\r\ncut", False, "it broke off its answer"),
    ],
)
def test_an_answer_that_is_none_is_waited_for(answer: bytes, *, reset: bool, says: str) -> None:
    """A connection that breaks, or that isn't HTTP, is tried again."""
    with raw_server(answer, reset=reset) as url:
        found = sink_for(settings_for(url)).write(chunks_of(segment("a", line(1))))
    assert found.ack is Ack.RETRY
    assert says in found.message


def test_a_host_without_an_address_is_waited_for() -> None:
    """A name that can't be resolved now may be there later."""
    answer = sink_for(settings_for("http://no-such-host.invalid")).write(chunks_of(segment("a", line(1))))
    assert answer.ack is Ack.RETRY
    assert "has no address" in answer.message


def test_a_certificate_that_nobody_trusts_is_held(tiny_tls: TinyServer) -> None:
    """A TLS error tells which variables to look at, and is tried again each minute."""
    answer = sink_for(settings_for(tiny_tls.url)).write(chunks_of(segment("a", line(1))))
    assert answer.ack is Ack.HOLD
    assert "self-signed certificate" in answer.message
    assert "OTEL_JOB_MEASURE_CA_FILE" in answer.message
    assert tiny_tls.requests == []


def test_a_certificate_of_the_ca_file_is_trusted(tiny_tls: TinyServer) -> None:
    """With its own certificate authority a private server can be used."""
    sink = sink_for(settings_for(tiny_tls.url, ca_file=CA_FILE))
    assert sink.write(chunks_of(segment("a", line(1)))).ack is Ack.DONE
    sink.close()


def test_tls_to_a_server_without_is_held(tiny: TinyServer) -> None:
    """The message for an https address of an http server names the setting."""
    sink = sink_for(settings_for(tiny.url.replace("http:", "https:")))
    answer = sink.write(chunks_of(segment("a", line(1))))
    assert answer.ack is Ack.HOLD
    assert "INFLUXDB_URL begin with http://" in answer.message


def test_a_proxy_carries_the_request(tiny: TinyServer) -> None:
    """The proxy gets the request, with its user and password in the header that is meant for them."""
    proxy = tiny.url.replace("//", "//u%40x:p%3Aw@")
    sink = sink_for(settings_for("http://influx.example:8086", proxy=proxy))
    assert sink.write(chunks_of(segment("a", line(1)))).ack is Ack.DONE
    [request] = tiny.requests
    assert request.path.startswith("http://influx.example:8086/api/v2/write?")
    assert request.headers["proxy-authorization"] == "Basic dUB4OnA6dw=="
    sink.close()


def test_a_proxy_that_is_down_is_named_without_its_password() -> None:
    """The log names the proxy, and not its password."""
    sink = sink_for(settings_for("https://influx.example", proxy=f"http://u:pass@127.0.0.1:{closed_port()}"))
    answer = sink.write(chunks_of(segment("a", line(1))))
    assert (answer.ack, answer.message) == (
        Ack.RETRY,
        "no answer from the proxy of OTEL_JOB_MEASURE_PROXY: Connection refused",
    )


def test_an_answer_that_drips_is_not_waited_for_longer_than_the_time_out() -> None:
    """A server that sends a byte now and then, and never ends, costs one time-out."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                read_request(connection)
                connection.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: 1000000\r\n\r\n")
                while not over.wait(0.01):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        answer = sink_for(settings_for(url, timeout_s=0.2)).write(chunks_of(segment("a", line(1))))
        over.set()
        thread.join()
    assert (answer.ack, answer.message) == (Ack.RETRY, f"no answer from {url} within 0.2 s")


def test_a_connection_that_ends_before_tls_is_waited_for() -> None:
    """A server that is just being started again behind TLS is no reason to wait for a minute."""
    with raw_server(b"", read=lambda connection: connection.recv(65_536)) as url:
        answer = sink_for(settings_for(url.replace("http:", "https:"))).write(chunks_of(segment("a", line(1))))
    assert answer.ack is Ack.RETRY
    assert "closed the connection during the TLS handshake" in answer.message


def test_the_end_of_the_process_bounds_each_request() -> None:
    """In a hurry a request takes no longer than the time that is left."""
    clock = ManualClock()
    with raw_server(None) as url:
        sink = sink_for(settings_for(url, timeout_s=30), clock=clock)
        deadline_ns = clock.monotonic_ns() + 200_000_000
        answer = sink.write(chunks_of(segment("a", line(1))), deadline_ns=deadline_ns)
    assert answer.message == f"no answer from {url} within 0.2 s"
