"""What is not an answer of InfluxDB is one clear error."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from otel_job_measure.errors import StoreError
from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.insight.run_store import ALL
from otel_job_measure.settings import Settings

_HEADER = (
    "#datatype,string,long,dateTime:RFC3339,string,string,string,string\r\n"
    ",result,table,_time,_value,_field,_measurement,job\r\n"
)
_ROW = ',_result,0,2026-01-01T00:00:00Z,u,uuid,scheduling-job,"a, ""b"""\r\n'
_TOKEN = "a-secret-token-of-the-reader"


@contextmanager
def server(version: str, body: bytes, *, status: int = 200) -> Generator[str]:
    """Runs a server that says it is a version and gives one answer to every question."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.send_header("X-Influxdb-Version", version)
            self.end_headers()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("X-Influxdb-Version", version)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{made.server_address[1]}"
        finally:
            made.shutdown()
            thread.join()


def store_of(url: str) -> InfluxStore:
    """Returns a store over such a server."""
    return InfluxStore(Settings(influxdb_url=url, influxdb_org="o", influxdb_bucket="b", influxdb_token=_TOKEN))


@pytest.mark.parametrize("version", ["1.8.10", "v2.7.12", "3.9.0"])
@pytest.mark.parametrize(
    "body", [b"<html>Sign in</html>\n<p>now</p>", b"[]\n", b"{", b"null\n", b'"a"\n', b"\xff\xfe,\n,\n,\n"]
)
def test_another_answer_with_200_is_one_clear_error(version: str, body: bytes) -> None:
    """As the login page before a server gives it."""
    with server(version, body) as url, pytest.raises(StoreError, match=r"something else than rows.*INFLUXDB_URL"):
        store_of(url).latest(ALL, 1)


@pytest.mark.parametrize("annotation", ["", "#datatype,string,string\r\n"])
def test_an_error_of_flux_after_some_rows_is_one_clear_error(annotation: str) -> None:
    """It comes as a table, with the status 200."""
    error = f"\r\n{annotation},error,reference\r\n,out of memory,897\r\n"
    with (
        server("v2.7.12", (_HEADER + _ROW + error).encode()) as url,
        pytest.raises(StoreError, match="broke off its answer: out of memory"),
    ):
        store_of(url).latest(ALL, 1)


_ANY_TOKEN = "set OTEL_JOB_MEASURE_READ_TOKEN, or INFLUXDB_TOKEN if that is not set,"
_NO_ORG = 'failed to decode request body: organization name "o" not found'


@pytest.mark.parametrize(
    ("version", "status", "says", "advice"),
    [
        ("1.8.10", 401, "no", f"{_ANY_TOKEN} or INFLUXDB_USERNAME and INFLUXDB_PASSWORD, to one that the server knows"),
        ("v2.7.12", 401, "no", f"{_ANY_TOKEN} to one that the server knows"),
        ("v2.7.12", 400, _NO_ORG, "set INFLUXDB_ORG to an organization that the server has"),
    ],
)
def test_a_refusal_says_what_to_set(version: str, status: int, says: str, advice: str) -> None:
    """The variables are those of the server's generation."""
    body = json.dumps({"message": says}).encode()
    with server(version, body, status=status) as url, pytest.raises(StoreError) as failed:
        store_of(url).latest(ALL, 1)
    assert str(failed.value).endswith(f": {says}; {advice}")


@pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
def test_a_refusal_does_not_show_the_token(status: int) -> None:
    """Even if the server repeats it."""
    with server("v2.7.12", f"no: {_TOKEN}".encode(), status=status) as url, pytest.raises(StoreError) as failed:
        store_of(url).latest(ALL, 1)
    assert str(status) in str(failed.value)
    assert _TOKEN not in str(failed.value)
