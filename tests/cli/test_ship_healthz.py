"""`ship --healthz`: what probes are told."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from otel_job_measure.cli import main
from otel_job_measure.cli.healthz import HealthServer, State, address
from tests.support.exec_ import COMMAND
from tests.support.influx import InfluxServer
from tests.support.influxd import request
from tests.support.processes import Processes, until
from tests.support.watched import free_port


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts processes, none of which outlives the test."""
    with Processes(tmp_path / "processes", os.environ) as started:
        yield started


def status(port: int, path: str) -> int:
    """Returns the status of an answer; 0 if there is none."""
    try:
        return request("GET", f"http://127.0.0.1:{port}{path}", timeout_s=5).status
    except OSError:
        return 0


def test_ship_tells_how_it_is_doing(processes: Processes, influx: InfluxServer, bucket: str) -> None:
    """Both are 200 while InfluxDB takes points; without it `/healthz` is 503 and `/livez` is not."""
    port = free_port()
    variables = influx.variables(bucket)
    app = processes.driver(OTEL_JOB_MEASURE_SHIP="off", **variables)
    ship = processes.start(*COMMAND, "ship", "--env-file", os.devnull, "--healthz", str(port), **variables)
    until(lambda: (status(port, "/livez"), status(port, "/healthz")) == (200, 200), "all is well")
    with influx.stopped():
        app.run("waits")
        until(lambda: status(port, "/healthz") == 503, "InfluxDB is down")
        assert status(port, "/livez") == 200
    until(lambda: status(port, "/healthz") == 200, "InfluxDB is up again")
    assert app.end() == 0
    ship.popen.send_signal(signal.SIGTERM)
    assert ship.end() == 0
    assert status(port, "/livez") == 0


def test_an_address_in_use_is_an_error(influx: InfluxServer, bucket: str) -> None:
    """And nothing is sent: the manifest or the unit is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as used:
        command = [*COMMAND, "ship", "--healthz", str(used.getsockname()[1])]
        done = subprocess.run(
            command, env={**os.environ, **influx.variables(bucket)}, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert "--healthz: cannot listen there: Address already in use" in done.stderr


@pytest.mark.parametrize("text", ["", "http", "1:2:", ":80", "0.0.0.0:", "70000", "-1", "localhost:x"])
def test_what_is_no_address_is_an_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the form in words."""
    with pytest.raises(SystemExit):
        main(["ship", f"--healthz={text}"])
    assert "is not PORT or ADDRESS:PORT" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--once", "--backfill"])
def test_a_command_that_ends_answers_no_probe(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It would be gone before a probe comes."""
    with pytest.raises(SystemExit):
        main(["ship", "--healthz", "80", option])
    assert "--healthz is only valid without" in capsys.readouterr().err


def test_the_forms_of_an_address() -> None:
    """A port alone is local; an IPv6 address has brackets."""
    assert [address(text) for text in ("80", "0.0.0.0:80", "[::1]:80")] == [
        ("127.0.0.1", 80),
        ("0.0.0.0", 80),  # noqa: S104 - what is parsed
        ("::1", 80),
    ]


@pytest.mark.parametrize(
    ("asked", "begins"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 503 "),
        (b"GET /healthz?verbose HTTP/1.0\n\n", b"HTTP/1.1 503 "),
        (b"HEAD /healthz HTTP/1.1\r\n\r\n", b"HTTP/1.1 503 "),
        (b"POST /healthz HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 "),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 "),
        (b"\xff\r\n\r\n", b"HTTP/1.1 40"),
        (b"x" * 20_000, b""),
    ],
)
def test_any_request_gets_an_answer_and_the_next_one_too(asked: bytes, begins: bytes) -> None:
    """Nothing that a client sends ends the server, nor does one that says nothing."""
    server = HealthServer(("127.0.0.1", 0), lambda: State(stuck="stuck"))
    with socket.create_connection(("127.0.0.1", server.port)):
        pass
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            answer = b""
            with suppress(OSError):  # it does not read all of a request that is too long
                client.sendall(asked)
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(65_536)
            assert answer.startswith(begins)
    server.close()
