"""A stub of InfluxDB 3 that takes rows and answers SQL by its own engine, DataFusion, over HTTP as the documents say.

Sources: "Use the InfluxDB v3 HTTP query API" (`/api/v3/query_sql`, JSON lines), influxdb3_server/src/http.rs (headers).
"""

import gzip
import json
import secrets
import threading
from collections import defaultdict
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlsplit

from datafusion import SessionConfig, SessionContext

from otel_job_measure.points.line_protocol import Point, lines, parse

pa: Any = import_module("pyarrow")  # it has no types
_TAG: Final[Any] = pa.dictionary(pa.int32(), pa.string())
_TYPES: Final[dict[type, Any]] = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
_TIME: Final[Any] = pa.timestamp("ns")
_HEADERS: Final = {"X-Influxdb-Version": "3.10.0", "X-Influxdb-Build": "Core", "cluster-uuid": "6fbd7c2e"}


def tables_of(points: Iterable[Point]) -> SessionContext:
    """Returns tables that have exactly the columns that points have values for."""
    config = cast("Any", SessionConfig()).with_information_schema(enabled=True)
    context = SessionContext(config)
    by_name: dict[str, list[Point]] = defaultdict(list)
    for point in points:
        by_name[point.measurement].append(point)
    for name, found in by_name.items():
        columns: dict[str, Any] = {"time": _TIME}
        for point in found:
            columns |= dict.fromkeys(point.tags, _TAG)
            columns |= {key: _TYPES[type(value)] for key, value in point.fields.items()}
        schema = pa.schema(list(columns.items()))
        rows = [{**point.tags, **point.fields, "time": point.time_ns} for point in found]
        cast("Any", context).register_record_batches(name, [pa.Table.from_pylist(rows, schema=schema).to_batches()])
    return context


def jsonl(context: SessionContext, query: str) -> bytes:
    """Returns the rows of a query as JSON lines, without nulls, times in UTC without a zone."""
    table = cast("Any", context.sql(query)).to_arrow_table()
    times = [column.name for column in table.schema if pa.types.is_timestamp(column.type)]
    for name in times:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table.column(at).cast(_TIME).cast(pa.int64()))
    found: list[bytes] = []
    for row in cast("list[dict[str, Any]]", table.to_pylist()):
        texts = {name: _text(row[name]) for name in times if row[name] is not None}
        values = {name: value for name, value in {**row, **texts}.items() if value is not None}
        found.append(json.dumps(values).encode())
    return b"\n".join(found)


def _text(time_ns: int) -> str:
    whole, rest = divmod(time_ns, 10**9)
    fraction = f".{rest:09}" if rest else ""
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}{fraction}"


@dataclass(kw_only=True)
class Sql3:
    """A running stub."""

    url: str
    token: str = field(repr=False)
    databases: dict[str, SessionContext] = field(default_factory=dict[str, SessionContext])
    written: dict[str, dict[object, Point]] = field(default_factory=lambda: defaultdict[str, dict[object, Point]](dict))
    """The rows that were written to a database over HTTP, by table, tags and time."""

    def arguments(self, database: str) -> dict[str, Any]:
        """Returns the arguments of `Settings` that name a database."""
        return {
            "influxdb_url": self.url,
            "influxdb_token": self.token,
            "influxdb_org": "-",
            "influxdb_bucket": database,
        }

    def new_database(self, rows: bytes = b"") -> str:
        """Makes a database of some rows, and returns its name."""
        name = f"test-{secrets.token_hex(6)}"
        self.databases[name] = tables_of(parse(line) for line in lines(rows))
        return name

    def answer(self, target: str, authorization: str, body: bytes) -> tuple[int, bytes]:
        """Returns the status and the body of the answer to a POST."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if authorization not in (f"Token {self.token}", f"Bearer {self.token}"):
            return 401, json.dumps({"error": "the request was not authenticated"}).encode()
        if path == "/api/v2/write":
            self.write(query["bucket"][0], body)
            return 204, b""
        if path != "/api/v3/query_sql":
            return 404, json.dumps({"error": "not found"}).encode()
        asked = json.loads(body)
        if asked["db"] not in self.databases:
            return 404, json.dumps({"error": f"database not found: {asked['db']}"}).encode()
        assert asked["format"] == "jsonl"
        try:
            return 200, jsonl(self.databases[asked["db"]], asked["q"])
        except Exception as error:  # noqa: BLE001 - whatever the engine raises
            return 400, json.dumps({"error": f"query error: {error}"}).encode()

    def write(self, database: str, body: bytes) -> None:
        """Writes rows; one of the same table, tags and time takes the place of another."""
        rows = self.written[database]
        for line in lines(body):
            point = parse(line)
            rows[point.measurement, tuple(sorted(point.tags.items())), point.time_ns] = point
        self.databases[database] = tables_of(rows.values())


@contextmanager
def sql_3() -> Generator[Sql3]:
    """Starts a stub on a free port, and stops it at the end."""
    stub = Sql3(url="", token=f"apiv3_{secrets.token_hex(32)}")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._say(200 if self.path == "/ping" else 404, b"{}")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            self._say(*stub.answer(self.path, self.headers.get("Authorization", ""), body))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            for name, value in {**_HEADERS, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        stub.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()
