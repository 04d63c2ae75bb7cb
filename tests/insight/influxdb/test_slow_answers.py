"""A slow or an endless answer is one clear error, after one deadline for the whole exchange."""

import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from otel_job_measure.errors import StoreError
from otel_job_measure.insight.influxdb.connection import Connection
from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.insight.run_store import ALL
from otel_job_measure.settings import Settings
from tests.support.answering import Answer, AnsweringServer

VERSIONS = ["1.8.10", "v2.7.12", "3.9.0"]
MIB = 1024 * 1024


@contextmanager
def server(version: str, piece: bytes, times: int, every_s: float | None) -> Generator[str]:
    """Runs a server that answers with one piece again and again; with no `every_s`, it waits for ever after them."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.send_header("X-Influxdb-Version", version)
            self.end_headers()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(100 * MIB))
            self.end_headers()
            try:
                for _ in range(times):
                    self.wfile.write(piece)
                    if every_s and ended.wait(every_s):
                        return
                if every_s is None:
                    ended.wait()
            except OSError:
                pass  # the reader has left

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{made.server_address[1]}"
        finally:
            ended.set()
            made.shutdown()
            thread.join()


def store_of(url: str, timeout_s: float) -> InfluxStore:
    """Returns a store that waits so long for an answer."""
    return InfluxStore(
        Settings(influxdb_url=url, influxdb_org="o", influxdb_bucket="b", influxdb_token="t", timeout_s=timeout_s)
    )


def test_several_threads_ask_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """As those of the page: none waits by the deadline of another, and none of their connections is one too many."""
    server = AnsweringServer(otherwise=Answer())
    server.during = threading.Barrier(3).wait
    settings = Settings(influxdb_url=server.url, influxdb_org="o", influxdb_bucket="b", influxdb_token="t")
    connection = Connection(settings)
    try:
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(connection.get, ["/ping"] * 3))
    finally:
        server.close()
    assert [answer.status for answer in answers] == [200] * 3
    assert caplog.messages == []


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_that_stalls_after_its_headers_is_one_clear_error(version: str) -> None:
    """The reader does not wait for ever."""
    with server(version, b"", 0, None) as url, pytest.raises(StoreError, match="no answer from"):
        store_of(url, 1.0).latest(ALL, 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_that_drips_is_one_clear_error(version: str) -> None:
    """Each byte comes in time, the answer does not."""
    with server(version, b" ", 100_000, 0.1) as url, pytest.raises(StoreError, match="no answer from"):
        store_of(url, 1.0).latest(ALL, 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_large_answer_without_a_line_is_not_read_to_its_end(version: str) -> None:
    """Memory is bounded, and no byte is copied again for each later one."""
    with server(version, b"x" * MIB, 100, 0) as url, pytest.raises(StoreError, match="something else than rows"):
        store_of(url, 60.0).latest(ALL, 1)


_NAME = "scheduling-job-sender"
_FLUX = f",_result,0,2026-01-01T00:00:00Z,1,pending,{_NAME},a\r\n" * 5000
_HEAD = (
    "#datatype,string,long,dateTime:RFC3339,long,string,string,string\r\n"
    ",result,table,_time,_value,_field,_measurement,host"
)
_SERIES = f'{{"name":"{_NAME}","columns":["time","pending"],"values":[{",".join(["[1,2]"] * 5000)}]}}'
MANY = {
    "v2.7.12": f"{_HEAD}\r\n{_FLUX}\r\n",
    "1.8.10": f'{{"results":[{{"series":[{_SERIES}],"partial":true}}]}}\n',
}


@pytest.mark.parametrize("version", MANY)
def test_more_rows_than_fit_into_memory_are_one_clear_error(version: str) -> None:
    """A server that has a row for each of millions of series costs no more memory than one of some thousand."""
    with server(version, MANY[version].encode(), 1000, 0) as url, pytest.raises(StoreError, match="over 240000 rows"):
        store_of(url, 300.0).senders(0)
