"""The exporter of exec's span, before collectors that are hostile."""

import contextlib
import gzip
import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from otel_job_measure.cli.exec.exporter import bounded_session
from tests.delivery.support import Reply, TinyServer, server_context
from tests.delivery.test_hostile_servers import Play, hostile
from tests.delivery.test_influx_ways import read_request
from tests.support.exec_ import EXEC, run

_PIECE: Final = b"x" * 1024 * 1024
_MOST: Final = 256
"""Pieces that an answer has, if it is read to its end."""
_CERTIFICATES: Final = Path(__file__).parents[1] / "delivery" / "server_certificates"


@contextmanager
def endless() -> Generator[tuple[str, list[int]]]:
    """Gives a server whose answer is far longer than any that is read, and a list with how many pieces it sent."""
    sent: list[int] = []

    def play(connection: socket.socket, _over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 400 No\r\nContent-Type: text/plain\r\n\r\n")
        with contextlib.suppress(OSError):
            for count in range(1, _MOST + 1):
                connection.sendall(_PIECE)
                sent[:] = [count]

    with hostile(play) as url:
        yield url, sent


def exported(url: str, **variables: str) -> bytes:
    """Returns what exec says if its span goes to a collector."""
    environment = os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": url} | variables
    done = run([*EXEC, "sh", "-c", "exit 3"], environment=environment)
    assert done.returncode == 3
    return done.stderr


def saying(*head: bytes) -> Play:
    """Answers with some lines of a head, and no body."""

    def play(connection: socket.socket, _over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"\r\n".join([*head, b"Content-Length: 0", b"", b""]))

    return play


def test_an_endless_answer_is_read_no_further_than_needed() -> None:
    """The connection is closed after its beginning, and exec ends as its command did."""
    with endless() as (url, sent):
        said = exported(url)
    assert b"the span is not exported" in said
    assert sum(sent) < _MOST // 4


def test_an_answer_is_not_decompressed() -> None:
    """A few bytes can otherwise become gigabytes."""
    bomb = gzip.compress(gzip.compress(bytes(1_000_000)))
    server = TinyServer()
    server.always = Reply(200, {"Content-Encoding": "gzip, gzip"}, bomb)
    answer: Any = bounded_session().post(server.url, data=b"")
    server.close()
    assert answer.content == bomb


@pytest.mark.parametrize(
    "head",
    [
        (b"HTTP/1.1 400 you sent a-very-secret-key",),
        (b"HTTP/1.1 400 you sent YS12ZXJ5LXNlY3JldC1rZXk=",),
        (b"HTTP/1.1 400 No", b"you sent a-very-secret-key"),
        (b"HTTP/1.1 400 \x1b]52;c;aGVsbG8=\x07 a-very-secret-ke" + b"y" * 50_000,),
    ],
)
def test_what_it_repeats_of_a_key_is_hidden(head: tuple[bytes, ...]) -> None:
    """Nothing of a header with a key is on stderr, nothing that a terminal acts on, and one line is short."""
    with hostile(saying(*head)) as url:
        said = exported(url, OTEL_EXPORTER_OTLP_HEADERS="x=y,api-key=a-very-secret%2Dkey")
    for part in (b"a-very", b"very-secret", b"secret-k", b"YS12ZXJ5", b"c2VjcmV0", b"\x1b", b"\x07"):
        assert part not in said
    assert b"the span is not exported" in said
    assert said.count(b"\n") == 1
    assert len(said) < 1000


def test_a_key_in_a_url_is_hidden() -> None:
    """Libraries show a URL that they cannot use."""
    said = exported("htp://user:a-very-secret-key@localhost/")
    assert b"the span is not exported" in said
    assert b"secret" not in said


@pytest.mark.parametrize("kind", ["expired", "of_another_name", "untrusted", "name_only_in_cn"])
def test_a_certificate_that_is_not_to_be_trusted_is_refused(kind: str) -> None:
    """The span is not exported, and one line says why."""
    server = TinyServer(tls=server_context(_CERTIFICATES / f"{kind}.pem"))
    said = exported(server.url, OTEL_EXPORTER_OTLP_CERTIFICATE=str(_CERTIFICATES / "ca.pem"))
    server.close()
    assert b"the span is not exported" in said
    assert server.requests == []
