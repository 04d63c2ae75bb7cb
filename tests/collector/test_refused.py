"""What is kept and what is lost where InfluxDB answers 4xx to a collector or to Telegraf."""

import functools
import gzip
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.collector.ways import post_span
from tests.support.backend import Backend
from tests.support.collectors import Collector, Telegraf
from tests.support.influx import InfluxServer
from tests.support.processes import until

LATER = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
REFUSED = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
)
KEPT_BY_TELEGRAF = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
BUCKET = "b"
JOB = re.compile(r"job(?:\.name)?=([\w-]+)")


class Stand:
    """Stands for InfluxDB: answers as it is told, and notes the jobs whose rows came with each answer."""

    def __init__(self) -> None:
        self.answer: int = HTTPStatus.NO_CONTENT
        self.noted: list[tuple[int, str]] = []
        stand = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                status, text = stand.answer, body_of(self)
                if parse_qs(urlsplit(self.path).query)["bucket"] == [BUCKET]:
                    stand.noted += [(status, job) for job in JOB.findall(text)]
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gave it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.variables = {"INFLUXDB_URL": url, "INFLUXDB_TOKEN": "t", "INFLUXDB_ORG": "o"}
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def refuse(self, status: int, post: Callable[[str], None], rows: int = 1) -> None:
        """Answers all rows of a new job with a status, at least once: they can come in several requests."""
        self.answer = status
        post(f"job-{status:d}")
        row = (status, f"job-{status:d}")
        until(lambda: self.noted.count(row) >= rows, f"rows that are answered with {status:d}")

    def take(self, post: Callable[[str], None]) -> None:
        """Takes a new job's rows, and whatever else still comes."""
        self.answer = HTTPStatus.NO_CONTENT
        post("last")
        until(lambda: "last" in self.taken, "rows that are taken")

    @property
    def taken(self) -> set[str]:
        """Returns the jobs whose rows it has taken."""
        return {job for status, job in self.noted if status == HTTPStatus.NO_CONTENT}

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def body_of(handler: BaseHTTPRequestHandler) -> str:
    """Reads the body of a request, which may come in chunks, and compressed."""
    if handler.headers["Transfer-Encoding"] == "chunked":
        body = b""
        while size := int(handler.rfile.readline(), 16):
            body += handler.rfile.read(size)
            handler.rfile.readline()
        handler.rfile.readline()
    else:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
    return (gzip.decompress(body) if handler.headers["Content-Encoding"] == "gzip" else body).decode()


@pytest.fixture
def stand(stack: ExitStack) -> Stand:
    """A server in InfluxDB's place."""
    made = Stand()
    stack.callback(made.close)
    return made


def test_the_agent_drops_what_is_refused_and_keeps_what_is_put_off(
    agent: Callable[..., Collector], influx: InfluxServer, bucket: str, stand: Stand, backend: Backend
) -> None:
    """Spans that were answered with 4xx, even 429, do not come again; with 5xx they do."""
    through = agent(bucket, backend.url, INFLUXDB_SPANS_BUCKET=BUCKET, **stand.variables)
    post = poster(through)
    for number, status in enumerate(REFUSED, 1):
        stand.refuse(status, post)
        until(functools.partial(dropped, through, number), "the agent's word for it")
    for status in LATER:
        stand.refuse(status, post)
    stand.take(post)
    until(lambda: stand.taken >= {"last", *jobs(LATER)}, "what was put off")
    through.stop()
    assert stand.taken == {"last", *jobs(LATER)}


def test_telegraf_keeps_what_a_token_or_a_limit_holds_up_and_drops_what_is_refused(
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    influx: InfluxServer,
    bucket: str,
    stand: Stand,
    backend: Backend,
) -> None:
    """Rows that were answered with 401, 403 and 429 come again; with any other 4xx they are gone."""
    last = telegraf(BUCKET, **stand.variables)
    post = poster(agent(bucket, backend.url, "agent-telegraf", TELEGRAF_ENDPOINT=last.address))
    # The answers that drop rows come first: later they would take along what waits.
    for status in sorted(REFUSED, key=KEPT_BY_TELEGRAF.__contains__):
        stand.refuse(status, post, rows=3)
    stand.take(post)
    until(lambda: stand.taken >= {"last", *jobs(KEPT_BY_TELEGRAF)}, "what was kept")
    last.stop()  # it says what it has before it goes
    assert stand.taken == {"last", *jobs(KEPT_BY_TELEGRAF)}


def dropped(agent: Collector, number: int) -> bool:
    """Tells whether an agent has said of so many batches of spans that it drops them."""
    said = [line for line in agent.words.splitlines() if "influxdb/spans" in line and "Dropping data" in line]
    return len(said) == number


def poster(agent: Collector) -> Callable[[str], None]:
    """Returns what posts a job's span to an agent."""
    return lambda job: post_span(agent.http, trace=7, attributes={"scheduling.job.name": job})


def jobs(statuses: Sequence[int]) -> set[str]:
    """Returns the jobs whose rows were answered so first."""
    return {f"job-{status:d}" for status in statuses}
