"""A server or a proxy that never comes to an end costs one time-out, and no more memory than an answer may have."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from otel_job_measure.journal.interfaces import Ack, WriteResult
from otel_job_measure.settings import Settings
from tests.delivery.receivers import Sent, otlp
from tests.delivery.ship import sink_for
from tests.delivery.support import CA_FILE, SERVER_PEM, chunks_of, line, segment, settings_for
from tests.delivery.test_influx_ways import read_request

Play = Callable[[socket.socket, threading.Event], None]


@contextmanager
def hostile(play: Play, *, tls: bool = False) -> Generator[str]:
    """Plays with the first connection until the test is over, and gives the server's URL."""
    over = threading.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SERVER_PEM)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                raw, _ = server.accept()
                with context.wrap_socket(raw, server_side=True) if tls else raw as connection:
                    play(connection, over)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join()


def drip(head: bytes, again: bytes, pause_s: float = 0.01) -> Play:
    """Answers with some bytes, and then with others for ever."""

    def play(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(head)
        while not over.wait(pause_s):
            connection.sendall(again)

    return play


def silent(connection: socket.socket, over: threading.Event) -> None:
    """Reads nothing."""
    over.wait()


def dripping_handshake(connection: socket.socket, over: threading.Event) -> None:
    """Begins a TLS record, and never ends it."""
    connection.recv(1)
    connection.sendall(b"\x16\x03\x03\x40\x00")
    while not over.wait(0.01):
        connection.sendall(b"\x02")


CHUNKED = b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "status": drip(b"HTTP/1.1 4", b"0"),
    "headers": drip(b"HTTP/1.1 400 Bad\r\nA: ", b"x"),
    "100 Continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "headers of 100 Continue": drip(b"HTTP/1.1 100 Continue\r\n", b"A: b\r\n"),
    "body": drip(b"HTTP/1.1 400 Bad\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    "size of a chunk": drip(CHUNKED, b"0"),
    "chunks": drip(CHUNKED, b"1\r\nx\r\n"),
    "trailers": drip(CHUNKED + b"0\r\n", b"A: b\r\n"),
    "trailers of a success": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n"),
}
FLOODS = {
    "100 Continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0),
    "trailers": drip(CHUNKED + b"0\r\n", b"A: b\r\n" * 1000, 0),
}


def influxdb(url: str, **more: Any) -> WriteResult:  # noqa: ANN401 - arguments of Settings
    """Sends a point to InfluxDB."""
    return sent(settings_for(url, **{"timeout_s": 0.3, **more}))


def otlp_http(url: str, **more: Any) -> WriteResult:  # noqa: ANN401 - the same
    """Sends a point to a receiver over HTTP."""
    settings: dict[str, Any] = {"timeout_s": 0.3, **more}
    return Sent(otlp(url, **settings)).take()


def sent(settings: Settings, count: int = 1) -> WriteResult:
    """Sends points to InfluxDB."""
    lines = [line(number) for number in range(count)]
    return sink_for(settings).write(chunks_of(segment("a", *lines)))


@pytest.mark.parametrize("send", [influxdb, otlp_http])
@pytest.mark.parametrize("where", DRIPS)
def test_an_answer_that_drips_costs_one_time_out(send: Callable[[str], WriteResult], where: str) -> None:
    """Wherever in the answer it drips: the whole exchange has one deadline."""
    with hostile(DRIPS[where]) as url:
        answer = send(url)
    assert answer.ack is Ack.RETRY
    assert answer.message.startswith("no answer from http://127.0.0.1:")
    assert answer.message.endswith(" within 0.3 s")


@pytest.mark.parametrize("where", ["status", "trailers"])
def test_an_answer_that_drips_over_tls_costs_one_time_out(where: str) -> None:
    """TLS has time-outs of its own, with the same end."""
    with hostile(DRIPS[where], tls=True) as url:
        answer = influxdb(url, ca_file=CA_FILE, timeout_s=1.0)
    assert answer.message.endswith(" within 1 s")


@pytest.mark.parametrize("where", FLOODS)
def test_an_endless_answer_is_given_up_for_its_size(where: str) -> None:
    """A fast server cannot fill the memory, or hold a processor, until the deadline."""
    with hostile(FLOODS[where]) as url:
        answer = influxdb(url, timeout_s=60.0)
    assert answer.ack is Ack.RETRY
    assert answer.message.endswith(": the answer is longer than 5242880 bytes")


@pytest.mark.parametrize("head", [b"HTTP/1.1 100 Continue\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 "])
def test_endless_headers_are_given_up(head: bytes) -> None:
    """Python takes a hundred headers, and no line of more than 64 KiB."""
    with hostile(drip(head, b"A: b\r\n" * 1000 if head.endswith(b"\n") else b"x" * 10_000, 0)) as url:
        answer = influxdb(url, timeout_s=60.0)
    assert answer.ack is Ack.RETRY
    assert answer.message.startswith("no answer from http://127.0.0.1:")


@pytest.mark.parametrize("tls", [False, True])
def test_a_server_that_reads_nothing_costs_one_time_out(*, tls: bool) -> None:
    """Sending ends at the deadline too."""
    sizes: dict[str, Any] = {"ca_file": CA_FILE} if tls else {}
    with hostile(silent, tls=tls) as url:
        answer = sent(settings_for(url, timeout_s=1.0, **sizes), 5000)
    assert answer.message.endswith(" within 1 s")


def test_a_handshake_that_drips_costs_one_time_out() -> None:
    """A TLS connection that never comes about is a time-out, not an error of TLS."""
    with hostile(dripping_handshake) as url:
        answer = influxdb(url.replace("http:", "https:"))
    assert answer.message.endswith(" within 0.3 s")


@pytest.mark.parametrize("where", ["status", "headers"])
def test_a_proxy_whose_connect_drips_costs_one_time_out(where: str) -> None:
    """The answer to CONNECT has the deadline of the exchange."""
    plays = {"status": drip(b"HTTP/1.1 2", b"0"), "headers": drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n")}
    with hostile(plays[where]) as url:
        answer = influxdb("https://influx.example", proxy=url)
    assert answer.ack is Ack.RETRY
    assert answer.message.endswith(" within 0.3 s")


def test_a_socks_proxy_that_drips_costs_one_time_out() -> None:
    """So has a SOCKS proxy, whose library reads with time-outs of its own."""

    def play(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(1)
        connection.sendall(b"\x05\x00\x05\x00\x00\x03\xff")
        while not over.wait(0.01):
            connection.sendall(b"x")

    with hostile(play) as url:
        answer = influxdb("http://influx.example", proxy=url.replace("http:", "socks5h:"))
    assert answer.message.endswith(" within 0.3 s")


def test_a_resolver_that_never_answers_costs_one_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can interrupt the system's resolver, so it is waited for in another thread; never in more than four."""
    over = threading.Event()
    asked: list[object] = []

    def never(*where: object, **_: object) -> list[Any]:
        asked.append(where)
        over.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    sink = sink_for(settings_for("http://influx.example", timeout_s=0.1))
    chunks = chunks_of(segment("a", line(1)))
    answers = [sink.write(chunks) for _ in range(6)]
    over.set()
    assert {answer.message for answer in answers} == {"no answer from http://influx.example within 0.1 s"}
    assert len(asked) == 4


def test_a_host_of_many_silent_addresses_costs_one_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The addresses of a host share the deadline."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        where = full.getsockname()
        callers = [socket.socket() for _ in range(8)]
        for caller in callers:  # so that no other connection gets in
            caller.settimeout(0)
            caller.connect_ex(where)
        infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where)] * 1000

        def many(*_: object, **__: object) -> list[Any]:
            return infos

        monkeypatch.setattr(socket, "getaddrinfo", many)
        answer = influxdb("http://influx.example")
        for caller in callers:
            caller.close()
    assert answer.message == "no answer from http://influx.example within 0.3 s"


def test_a_compressed_answer_stays_compressed() -> None:
    """A few bytes that would become gigabytes are judged by their status."""
    body = b"\x1f\x8b" + b"x" * 100
    head = b"HTTP/1.1 503 Busy\r\nContent-Encoding: gzip, gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    with hostile(drip(head + body, b"")) as url:
        answer = influxdb(url, timeout_s=5.0)
    assert answer.message.startswith("InfluxDB answered 503 Service Unavailable: ")


@pytest.mark.parametrize("through_proxy", [False, True])
def test_a_grpc_server_or_proxy_that_drips_costs_one_time_out(*, through_proxy: bool) -> None:
    """The library's own deadline is that of the whole call."""

    def play(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(1)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" if through_proxy else b"\0\0\6\4\0\0\0\0\0")
        while not over.wait(0.01):
            connection.sendall(b"A: b\r\n" if through_proxy else b"\0")

    with hostile(play) as url:
        more: dict[str, Any] = {"proxy": url} if through_proxy else {}
        settings = otlp("http://influx.example" if through_proxy else url, "grpc", timeout_s=0.3, **more)
        sender = Sent(settings)
        answer = sender.take()
        sender.sink.close()
    assert answer.ack is Ack.RETRY
    assert answer.message.startswith(("no answer from http://", "the OTLP receiver is UNAVAILABLE"))
