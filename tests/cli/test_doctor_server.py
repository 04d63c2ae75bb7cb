"""`doctor` with servers that are away, slow, wrong, old, or something else; and with receivers of OTLP."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from otel_job_measure.cli import main
from tests.cli.test_doctor import doctor
from tests.delivery.support import CA_FILE, server_context
from tests.support.answering import Answer, AnsweringServer

CERTIFICATES: Final = Path(__file__).parents[1] / "delivery" / "server_certificates"
TOKEN: Final = "S3CRET-token-of-the-test"
WELL: Final[Mapping[str, Answer]] = {
    "/ping": Answer(204),
    "/api/v2/write": Answer(204),
    "/api/v2/query": Answer(200, b""),
    "/api/v2/delete": Answer(204),
}
V3: Final = {"X-Influxdb-Version": "3.9.1", "X-Influxdb-Build": "Core"}
Serve = Callable[..., AnsweringServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Returns what starts a server."""
    made: list[AnsweringServer] = []

    def start(*args: Any, **more: Any) -> AnsweringServer:  # noqa: ANN401 - those of the server
        made.append(AnsweringServer(*args, **more))
        return made[-1]

    yield start
    for server in made:
        server.close()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Returns what sets the variables of an InfluxDB."""

    def set_all(url: str, **more: str) -> None:
        variables = {"INFLUXDB_URL": url, "INFLUXDB_TOKEN": TOKEN, "INFLUXDB_ORG": "o", "INFLUXDB_BUCKET": "b"}
        for name, value in {**variables, **more}.items():
            monkeypatch.setenv(name, value)

    return set_all


def test_a_server_that_is_down(use: Callable[..., None], capfd: pytest.CaptureFixture[str]) -> None:
    """It is one problem; the rest is looked at."""
    use("http://127.0.0.1:1")
    code, found, content = doctor(capfd)
    assert code == 2
    assert "Connection refused" in found["server.reachable"]["text"]
    assert "server.write" not in found
    assert [each["check"] for each in content["findings"] if each["level"]] == ["server.reachable"]


def test_a_server_that_never_answers(
    serve: Serve, use: Callable[..., None], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look ends in time, and says so."""
    server, join = serve(), threading.Thread.join
    server.is_silent = True
    use(server.url)

    def join_however_long(thread: threading.Thread, timeout: float | None = None) -> None:
        del timeout  # half a second after the request may be too little on a busy machine
        join(thread, 100)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "join", join_however_long)
        code, found, _ = doctor(capfd, "--timeout", "1.5s")
    assert code == 2
    assert "no answer from" in found["server.reachable"]["text"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_wrong_scheme(serve: Serve, use: Callable[..., None], capfd: pytest.CaptureFixture[str], scheme: str) -> None:
    """It says which one is right."""
    right = "http" if scheme == "https" else "https"
    server = serve(WELL, tls=server_context() if right == "https" else None)
    use(f"{scheme}://127.0.0.1:{server.port}")
    code, found, _ = doctor(capfd)
    assert code == 2
    assert found["server.reachable"]["advice"] == f"let INFLUXDB_URL begin with {right}://"


def test_an_expired_certificate(serve: Serve, use: Callable[..., None], capfd: pytest.CaptureFixture[str]) -> None:
    """It is to be renewed."""
    server = serve(WELL, tls=server_context(CERTIFICATES / "expired.pem"))
    use(server.url, OTEL_JOB_MEASURE_CA_FILE=str(CERTIFICATES / "ca.pem"))
    code, found, _ = doctor(capfd)
    assert (code, "renew" in found["server.reachable"]["advice"]) == (2, True)


def test_the_end_of_a_good_certificate_is_told(
    serve: Serve, use: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """With the version of TLS."""
    server = serve(WELL, tls=server_context())
    use(server.url, OTEL_JOB_MEASURE_CA_FILE=str(CA_FILE))
    _, found, _ = doctor(capfd)
    assert found["server.tls"]["facts"]["version"] == "TLSv1.3"
    assert found["server.tls"]["facts"]["not_after_s"] > 0


@pytest.mark.parametrize(("ahead_s", "level"), [(0, 0), (-3, 0), (40, 1), (-40, 1), (300, 2), (-300, 2)])
def test_a_clock_that_differs(
    serve: Serve, use: Callable[..., None], capfd: pytest.CaptureFixture[str], ahead_s: float, level: int
) -> None:
    """Ten seconds are a warning, three minutes a problem, in both directions."""
    server = serve(WELL, ahead_s=ahead_s)
    use(server.url)
    _, found, _ = doctor(capfd)
    assert found["server.clock"]["level"] == level
    assert abs(found["server.clock"]["facts"]["difference_s"] - ahead_s) < 10


def test_a_proxy_is_named_without_its_password(
    use: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The failure is the proxy's, and the variable is the one that was set."""
    monkeypatch.setenv("HTTP_PROXY", "http://user:hushhush@127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    use("http://influxdb.example.com:8086")
    code, found, content = doctor(capfd)
    assert (code, "HTTP_PROXY" in found["server.proxy"]["text"]) == (2, True)
    assert "the proxy of HTTP_PROXY" in found["server.reachable"]["text"]
    assert "hushhush" not in json.dumps(content)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>log in</html>", {}),
        Answer(302, b"", {"Location": "http://elsewhere/"}),
        Answer(401, b'{"code":"unauthorized","message":"unauthorized access"}'),
        Answer(500, b"broken"),
        Answer(503, b"busy", {}),
        Answer(404, b"nothing here", {}),
    ],
    ids=lambda answer: str(answer.status),
)
def test_other_answers_are_problems_with_advice(
    serve: Serve, use: Callable[..., None], capfd: pytest.CaptureFixture[str], answer: Answer
) -> None:
    """Whatever answers, it says what to do, and no secret is in it."""
    use(serve(otherwise=answer).url)
    code, _, content = doctor(capfd)
    problems = [each for each in content["findings"] if each["level"] == 2]
    assert code == 2
    assert all(each["advice"] for each in problems), problems
    assert TOKEN not in json.dumps(content)


def test_a_missing_database_of_version_3_is_not_made(
    serve: Serve, use: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """A test point would make it, so none is written."""
    missing = Answer(404, b'{"error":"database not found"}', V3)
    server = serve({"/ping": Answer(200, b"{}", V3), "/api/v3/query_sql": missing}, otherwise=Answer(204, b"", V3))
    use(server.url)
    code, found, _ = doctor(capfd)
    assert (code, found["server.write"]["level"]) == (2, 1)
    assert not [request for request in server.requests if "write" in request]


def test_version_3_keeps_the_test_point(
    serve: Serve, use: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """It deletes no rows, so the point is named; that is no fault."""
    rows = {"/ping": Answer(200, b"{}", V3), "/api/v3/query_sql": Answer(200, b"", V3)}
    server = serve(rows, otherwise=Answer(204, b"", V3))
    use(server.url)
    _, found, _ = doctor(capfd)
    assert "InfluxDB 3.9.1 Core" in found["server.reachable"]["text"]
    assert found["server.removed"]["level"] == 0
    assert "otel-job-measure-doctor" in found["server.removed"]["text"]


def test_a_receiver_takes_an_empty_export(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What lies behind it cannot be known, and is said."""
    server = serve({"/v1/logs": Answer(200, b"", {"Content-Type": "application/x-protobuf"})})
    monkeypatch.setenv("OTEL_JOB_MEASURE_SINK", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"api-key={TOKEN}")
    code, found, content = doctor(capfd)
    assert (code, server.requests) == (0, ["POST /v1/logs"])
    assert "cannot be known" in found["receiver.beyond"]["text"]
    assert TOKEN not in json.dumps(content)


def test_a_store_behind_a_receiver_is_looked_at_and_not_written_to(
    serve: Serve, use: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The variables of InfluxDB say where to read."""
    receiver = serve({"/v1/logs": Answer(200, b"", {"Content-Type": "application/x-protobuf"})})
    store = serve(WELL)
    use(store.url, OTEL_JOB_MEASURE_SINK="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    _, found, _ = doctor(capfd)
    assert "InfluxDB 2.7.12" in found["server.reachable"]["text"]
    assert not [request for request in store.requests if "write" in request or "delete" in request]


def test_a_receiver_that_is_down(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """It is a problem with advice."""
    monkeypatch.setenv("OTEL_JOB_MEASURE_SINK", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    code, found, _ = doctor(capfd)
    assert (code, bool(found["receiver.reachable"]["advice"])) == (2, True)


def test_people_see_problems_first_and_no_secret(use: Callable[..., None], capfd: pytest.CaptureFixture[str]) -> None:
    """At 80 columns, without colors in a pipe; the last line names what is wrong."""
    use("http://127.0.0.1:1", INFLUX_ORG="x", OTEL_JOB_MEASURE_INFLUXDB_BUCKETT="y")
    assert main(["doctor"]) == 2
    out = capfd.readouterr().out
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in out
    words = [line.split()[0] for line in lines if line[:1].isupper() and "  " in line]
    assert words[:2] == ["PROBLEM", "WARNING"]
    assert "server.reachable" in lines[-1]
    assert TOKEN not in out
