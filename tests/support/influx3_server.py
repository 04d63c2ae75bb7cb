"""A stub of InfluxDB 3, run as `python -m tests.support.influx3_server KIND FOLDER PORT PARSER`.

It reads lines by version 3's parser, and keeps accepted rows in files of FOLDER, which `tests.support.influx3` reads.
"""

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from tests.support.influx3_kinds import KINDS, Answer, Bad, Kind3

Point = dict[str, Any]


@dataclass(slots=True)
class Table:
    """The types of a table's columns."""

    columns: dict[str, str] = field(default_factory=dict[str, str])

    def conflict(self, columns: dict[str, str]) -> str | None:
        """Returns the name of a column that has another type here."""
        return next((name for name, type_ in columns.items() if self.columns.get(name, type_) != type_), None)


class Database:
    """A database in two files: how long it keeps rows, and its rows."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.rows"
        self.retention_s = int((folder / f"{name}.bucket").read_text())
        self.tables: dict[str, Table] = {}
        for point in rows_of(self.path):
            learn(self.tables, point)

    def keep(self, points: list[Point]) -> None:
        """Appends rows, in one piece, before the answer."""
        for point in points:
            learn(self.tables, point)
        data = "".join(f"{json.dumps(point)}\n" for point in points).encode()
        with self.path.open("ab", buffering=0) as file:
            file.write(data)


def rows_of(path: Path) -> list[Point]:
    """Returns the rows of a file, without one that a killed server left unfinished."""
    data = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


def columns_of(point: Point) -> dict[str, str]:
    """Returns the columns of a point, with their types."""
    names = {bool: "boolean", int: "integer", float: "float", str: "string"}
    return dict.fromkeys(point["tags"], "tag") | {name: names[type(value)] for name, value in point["fields"].items()}


def learn(tables: dict[str, Table], point: Point) -> None:
    """Adds the columns of a point."""
    tables.setdefault(point["measurement"], Table()).columns.update(columns_of(point))


def parsed(parser: str, data: bytes) -> list[Point]:
    """Returns what the parser makes of each line: a point, or `error`."""
    done = subprocess.run([parser], input=data, check=True, capture_output=True)
    return [json.loads(line) for line in done.stdout.split(b"\n") if line]


class Stub:
    """The databases of one server, and its answers."""

    def __init__(self, kind: Kind3, folder: Path, parser: str, token: str) -> None:
        self.kind = kind
        self._folder = folder
        self._parser = parser
        self._token = token
        self._lock = threading.Lock()
        self._databases: dict[str, Database] = {}

    def answer(self, path: str, authorization: str, body: bytes) -> Answer:
        """Returns the answer to a POST, and keeps what it accepts."""
        where = urlsplit(path)
        asked = {name: values[0] for name, values in parse_qs(where.query).items()}
        if where.path != "/api/v2/write":
            return Answer(404, {"error": "not found"})
        if authorization not in (f"Token {self._token}", f"Bearer {self._token}"):
            return Answer(401, self.kind.unauthorized)
        if len(body) > self.kind.most_bytes:
            return Answer(413, {"error": f"max request size ({self.kind.most_bytes} bytes) exceeded"})
        if "bucket" not in asked or ("org" not in asked and not self.kind.makes_databases):
            return Answer(400, {"code": "invalid", "message": "missing org/bucket value"})
        with self._lock:
            database = self._database(asked["bucket"])
            if database is None:
                return self._without(asked["bucket"])
            return self._write(database, body)

    def _without(self, name: str) -> Answer:
        if self.kind.makes_databases:  # influxdb3_server/src/http.rs, `validate_db_name`
            return Answer(400, {"error": f"invalid character in database or rp name: {name}"})
        return self.kind.missing(name)

    def _database(self, name: str) -> Database | None:
        if name not in self._databases:
            made = self._folder / f"{name}.bucket"
            if "/" in name or not (made.exists() or self.kind.makes_databases):
                return None
            if not made.exists():
                made.write_text("0")
            self._databases[name] = Database(self._folder, name)
        return self._databases[name]

    def _write(self, database: Database, body: bytes) -> Answer:
        try:
            texts = body.decode().split("\n")
        except UnicodeDecodeError as error:  # http.rs, `Error::NonUtf8Body`
            return Answer(400, {"error": f"body content is not valid utf8: {error.reason}"})
        good: list[Point] = []
        bad: list[Bad] = []
        tables = {name: Table(dict(table.columns)) for name, table in database.tables.items()}
        for number, point in enumerate(parsed(self._parser, body), 1):
            reason = cast("str | None", point.get("error"))
            is_conflict = False
            if reason is None and "time" in (*point["tags"], *point["fields"]):
                reason = "column `time` is reserved"
            if reason is None:
                columns = columns_of(point)
                table = tables.setdefault(point["measurement"], Table())
                name = table.conflict(columns)
                if name is not None:
                    is_conflict = True
                    reason = self.kind.conflict(name, table.columns[name], columns[name])
            if reason is None:
                learn(tables, point)
                good.append(point)
            else:  # the text of the line with this number, as `lines().nth(number)` finds it
                bad.append(Bad(number, texts[number - 1] if number <= len(texts) else "", reason, is_conflict))
        return self._settle(database, good, bad)

    def _settle(self, database: Database, good: list[Point], bad: list[Bad]) -> Answer:
        if bad and not self.kind.partial:
            return self.kind.refused(bad)
        if self.kind.expired is not None and database.retention_s:
            bound_ns = time.time_ns() - database.retention_s * 1_000_000_000
            old = [point for point in good if point["time_ns"] is not None and point["time_ns"] < bound_ns]
            if old:
                bound = datetime.fromtimestamp(bound_ns / 1e9, UTC).isoformat()
                return self.kind.outside(old[0]["measurement"], bound, self.kind.expired)
        now_ns = time.time_ns()
        database.keep([point | {"time_ns": now_ns if point["time_ns"] is None else point["time_ns"]} for point in good])
        return self.kind.refused(bad) if bad else Answer(204)


def serve(stub: Stub, port: int) -> None:
    """Answers until the process is ended."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._say(Answer(200 if self.path == "/health" else 404, "OK"))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            self._say(stub.answer(self.path, self.headers.get("Authorization", ""), body))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

        def _say(self, answer: Answer) -> None:
            body = b"" if answer.content is None else json.dumps(answer.content).encode()
            self.send_response(answer.status)
            for name, value in stub.kind.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    Server(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    _kind, _folder, _port, _parser = sys.argv[1:]
    serve(Stub(KINDS[_kind], Path(_folder), _parser, os.environ["STUB_TOKEN"]), int(_port))
