"""An answer that ends too early is one clear error; it is never taken for a short one."""

import contextlib
import random
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from otel_job_measure.errors import StoreError
from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.insight.run_store import ALL
from otel_job_measure.settings import Settings
from tests.history.support import Lines
from tests.support.influx import InfluxServer

FLUX = (
    "#datatype,string,long,dateTime:RFC3339,string,string,string,string\r\n"
    ",result,table,_time,_value,_field,_measurement,job\r\n"
    ",_result,0,2026-01-01T00:00:01Z,start,status,scheduling-job,a\r\n"
    ",_result,0,2026-01-01T00:00:02Z,start,status,scheduling-job,a\r\n"
    ",_result,1,2026-01-01T00:00:01Z,u1,uuid,scheduling-job,a\r\n"
    ',_result,1,2026-01-01T00:00:02Z,"u""2",uuid,scheduling-job,a\r\n'
    "\r\n"
)
_SERIES = '"name":"scheduling-job","tags":{"job":"a"},"columns":["time","uuid","status"]'
INFLUXQL = (
    f'{{"results":[{{"series":[{{{_SERIES},"values":[[1,"u1","start"]],"partial":true}}],"partial":true}}]}}\n'
    f'{{"results":[{{"series":[{{{_SERIES},"values":[[2,"u2","start"]]}}]}}]}}\n'
)
_COLUMNS = {"job": "Dictionary(Int32, Utf8)", "uuid": "Utf8", "status": "Utf8", "time": "Timestamp(Nanosecond, None)"}
SCHEMA = "".join(
    f'{{"table_name":"scheduling-job","column_name":"{name}","data_type":"{kind}"}}\n'
    for name, kind in _COLUMNS.items()
)
SQL = "".join(f'{{"job":"a","uuid":"u{n}","status":"start","time":"2026-01-01T00:00:0{n}"}}\n' for n in (1, 2))
ANSWERS = {"v2.7.12": FLUX, "1.8.10": INFLUXQL, "3.9.0": SQL}
BROKEN = r"no answer from \S+: it broke off its answer$"


def framed(body: bytes, how: str) -> bytes:
    """Returns an answer with its head: of a length, in chunks, or up to the end of the connection."""
    if how == "length":
        return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    if how == "no length":
        return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(line), line) for line in body.splitlines(keepends=True))
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


@contextmanager
def server(version: str, answer: bytes) -> Generator[str]:
    """Runs a server that gives some bytes in answer to a question about runs, and hangs up."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(
                b"HTTP/1.1 204 OK\r\nConnection: close\r\nX-Influxdb-Version: %s\r\n\r\n" % version.encode()
            )

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            self.wfile.write(framed(SCHEMA.encode(), "length") if b"information_schema" in asked else answer)

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


def runs_of(version: str, answer: bytes) -> int:
    """Returns how many runs such a server has, by its answer."""
    with server(version, answer) as url:
        settings = Settings(influxdb_url=url, influxdb_org="o", influxdb_bucket="b", influxdb_token="t", timeout_s=60)
        return len(InfluxStore(settings).find("u", limit=2))


@pytest.mark.parametrize("how", ["length", "chunks"])
@pytest.mark.parametrize("version", ANSWERS)
def test_an_answer_that_is_cut_anywhere_is_one_clear_error(version: str, how: str) -> None:
    """The connection ends before the answer does; a head that is cut off is no answer either."""
    whole = framed(ANSWERS[version].encode(), how)
    assert runs_of(version, whole) == 2
    body_at = whole.index(b"\r\n\r\n") + 4
    last = 5 if how == "chunks" else 1
    for cut in {*range(body_at, len(whole) - last, 7), len(whole) - last}:
        with pytest.raises(StoreError, match=BROKEN):
            runs_of(version, whole[:cut])
    with pytest.raises(StoreError, match=r"no answer from|does not say how long"):
        runs_of(version, whole[: body_at // 2])


@pytest.mark.parametrize("version", ["v2.7.12", "1.8.10"])
def test_a_proxy_that_hides_the_cut_does_not_hide_it(version: str) -> None:
    """A proxy can make a whole HTTP answer of what it got until the server was gone; the rows themselves tell."""
    body = ANSWERS[version].encode()
    for cut in {*range(0, len(body) - 2, 5), body.find(b"\n") + 1, len(body) - 2 - version.startswith("v2")}:
        with pytest.raises(StoreError, match="broke off its answer"):
            runs_of(version, framed(body[:cut], "chunks"))


@pytest.mark.parametrize("version", ANSWERS)
def test_an_answer_of_no_known_length_is_refused(version: str) -> None:
    """Nothing tells its end from a lost connection; the error says what to change."""
    with pytest.raises(StoreError, match=r"does not say how long its answer is.*HTTP/1\.1"):
        runs_of(version, framed(ANSWERS[version].encode(), "no length"))


@contextmanager
def relay(url: str, most: list[int]) -> Generator[str]:
    """Passes everything on to a server, of its answers on one connection only so many bytes; `most` counts down."""
    where = urlsplit(url)

    def passed(client: socket.socket) -> None:
        with client, socket.create_connection((where.hostname, where.port or 80)) as upstream:
            up = threading.Thread(target=pour, args=(client, upstream, [2**60]), daemon=True)
            up.start()
            pour(upstream, client, most)
            for each in (client, upstream):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            up.join()

    def pour(source: socket.socket, target: socket.socket, room: list[int]) -> None:
        with contextlib.suppress(OSError):
            while room[0] > 0 and (piece := source.recv(min(room[0], 65536))):
                target.sendall(piece)
                room[0] -= len(piece)

    def accept(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=passed, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, args=(listening,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_real_server_that_is_lost_in_the_middle_of_its_answer(real_influx: InfluxServer, real_bucket: str) -> None:
    """Wherever the connection ends, the runs are all there or there is an error."""
    lines = [Lines(uuid=f"u{n}", job=f"job-{n % 7}") for n in range(200)]
    real_influx.write(b"".join(run.start(n + 1) + run.end(n + 2) for n, run in enumerate(lines)), real_bucket)

    def found(most: list[int]) -> int:
        with relay(real_influx.url, most) as url:
            arguments: dict[str, Any] = {**real_influx.arguments(real_bucket), "influxdb_url": url}
            return sum(each.runs for each in InfluxStore(Settings(**arguments, timeout_s=60)).summaries(ALL))

    room = [2**60]
    assert found(room) == 200
    size = 2**60 - room[0]
    for cut in random.Random(15).sample(range(1, size - 8), 25):
        with pytest.raises(StoreError):
            found([cut])
