"""A real InfluxDB for tests: one that `make servers` built, or a server of the user's own."""

import json
import os
import secrets
import signal
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Final, cast
from urllib.parse import quote, urlencode

import pytest

from otel_job_measure import names
from otel_job_measure.points.line_protocol import Point, encode
from tests.support.influxd import VERSION, ServerProcess, request

HOW_TO_GET_ONE: Final = (
    "this test needs a real InfluxDB: run `make servers` once, or set INFLUXDB_TEST_URL, "
    "INFLUXDB_TEST_TOKEN, INFLUXDB_TEST_ORG and INFLUXDB_TEST_BUCKET"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A point as InfluxDB gives it back."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, object]
    time_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxServer:
    """A server of generation 2, with a token that may do everything, and what tests ask of it."""

    secret_variable: ClassVar[str] = "INFLUXDB_TOKEN"
    """The variable that holds the secret."""

    url: str
    token: str = field(repr=False)
    org: str
    bucket: str
    process: ServerProcess | None = None
    version: str = VERSION
    _made: list[str] = field(default_factory=list[str], repr=False)

    def arguments(self, bucket: str | None = None) -> dict[str, Any]:
        """Returns the arguments of `Settings` that send points to `bucket`."""
        return {name.lower(): value for name, value in self.variables(bucket).items()}

    def variables(self, bucket: str | None = None) -> dict[str, str]:
        """Returns the environment variables that send a process's points to `bucket`."""
        return {
            "INFLUXDB_URL": self.url,
            "INFLUXDB_TOKEN": self.token,
            "INFLUXDB_ORG": self.org,
            "INFLUXDB_BUCKET": bucket or self.bucket,
        }

    def new_bucket(self, retention_s: int = 0) -> str:
        """Makes an empty bucket that keeps points for `retention_s` (0: for ever) and returns its name."""
        return self.make_bucket(f"test-{secrets.token_hex(6)}", retention_s)

    def make_bucket(self, name: str, retention_s: int = 0) -> str:
        """Makes an empty bucket with a name, and returns that."""
        rules = [{"type": "expire", "everySeconds": retention_s}] if retention_s else []
        made = self._api("POST", "buckets", {"orgID": self._org_id(), "name": name, "retentionRules": rules})
        self._made.append(f"buckets/{made['id']}")
        return name

    def write_only_token(self, bucket: str) -> str:
        """Makes a token that may write to `bucket` and nothing else."""
        return self._token(bucket, "write")

    def read_only_token(self, bucket: str) -> str:
        """Makes a token that may read `bucket` and nothing else."""
        return self._token(bucket, "read")

    def _token(self, bucket: str, action: str) -> str:
        org_id = self._org_id()
        resource = {"type": "buckets", "id": self._bucket_id(bucket), "orgID": org_id}
        body = {"orgID": org_id, "permissions": [{"action": action, "resource": resource}]}
        made = self._api("POST", "authorizations", body)
        self._made.append(f"authorizations/{made['id']}")
        return cast("str", made["token"])

    def clean(self) -> None:
        """Deletes the buckets and tokens that were made here."""
        while self._made:
            self._api("DELETE", self._made.pop())

    def write(self, text: str | bytes, bucket: str | None = None) -> None:
        """Writes line protocol as it is, times in nanoseconds."""
        where = urlencode({"org": self.org, "bucket": bucket or self.bucket, "precision": "ns"})
        body = text.encode() if isinstance(text, str) else text
        self._checked("POST", f"{self.url}/api/v2/write?{where}", body, "text/plain; charset=utf-8")

    def flux(self, query: str) -> list[dict[str, object]]:
        """Returns the records of a Flux query, by influxdb-client.

        Its times are datetimes, to the microsecond, and a newline in a string comes back as CR LF: what must
        be exact is asked with `lines` or `influxql`.
        """
        from influxdb_client.client.influxdb_client import InfluxDBClient  # noqa: PLC0415 - takes 270 ms

        client: Any = InfluxDBClient(self.url, self.token, org=self.org, timeout=60_000)
        with client:
            return [dict(record.values) for table in client.query_api().query(query) for record in table.records]

    def influxql(self, query: str, bucket: str | None = None) -> list[dict[str, object]]:
        """Returns the rows of an InfluxQL query, `time` in ns, the tags of `GROUP BY` among the columns."""
        return [
            {**series.get("tags", {}), **dict(zip(series["columns"], values, strict=True))}
            for series in self._series(query, bucket or self.bucket)
            for values in series["values"]
        ]

    def lines(self, bucket: str | None = None) -> list[Row]:
        """Returns every point of a bucket, in the order of time, without what senders say of the present."""
        return [row for row in self.all_lines(bucket) if row.measurement not in {names.ALIVE, names.SENDERS}]

    def all_lines(self, bucket: str | None = None) -> list[Row]:
        """Returns every point of a bucket, in the order of time."""
        found = [
            Row(
                measurement=series["name"],
                tags={key: value for key, value in series.get("tags", {}).items() if value},
                fields={key: value for key, value in pairs if key != "time" and value is not None},
                time_ns=values[0],
            )
            for series in self._series("SELECT * FROM /.*/ GROUP BY *", bucket or self.bucket)
            for values in series["values"]
            for pairs in [list(zip(series["columns"], values, strict=True))]
        ]
        return sorted(found, key=lambda row: row.time_ns)

    def move(self, measurement: str, changed: Callable[[str], str], bucket: str) -> None:
        """Replaces the rows of a measurement, as lines, by changed ones."""
        rows = [row for row in self.all_lines(bucket) if row.measurement == measurement]
        points = [Point(row.measurement, row.tags, cast("Any", row.fields), row.time_ns) for row in rows]
        lines = [encode(point).decode() for point in points]
        where = urlencode({"db": bucket, "q": f'DROP MEASUREMENT "{measurement}"'}, quote_via=quote)
        self._checked("POST", f"{self.url}/query?{where}")
        self.write("\n".join(map(changed, lines)), bucket)

    def start(self) -> None:
        """Starts the very same server again; a user's own one is taken to run."""
        if self.process is not None:
            self.process.start()

    def stop(self, *, hard: bool = False) -> None:
        """Stops the server, with SIGKILL if `hard`; skips the test when it is a user's own one."""
        self._own().stop(hard=hard)

    @contextmanager
    def stopped(self, *, hard: bool = False) -> Generator[None]:
        """Stops the server for the length of a block."""
        self.stop(hard=hard)
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Lets the server accept connections and answer none (SIGSTOP) for the length of a block."""
        pid = self._own().pid
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED)  # its threads stop one after the other
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _own(self) -> ServerProcess:
        if self.process is None:
            pytest.skip("INFLUXDB_TEST_URL is a server of your own, which the tests don't stop")
        return self.process

    def _org_id(self) -> str:
        found = self._api("GET", f"orgs?{urlencode({'org': self.org})}")
        return cast("str", found["orgs"][0]["id"])

    def _bucket_id(self, bucket: str) -> str:
        found = self._api("GET", f"buckets?{urlencode({'org': self.org, 'name': bucket})}")
        return cast("str", found["buckets"][0]["id"])

    def _series(self, query: str, bucket: str) -> list[dict[str, Any]]:
        where = urlencode({"db": bucket, "q": query, "epoch": "ns"}, quote_via=quote)
        answer = self._checked("POST", f"{self.url}/query?{where}")
        # InfluxQL's errors come with 200.
        results = cast("list[dict[str, Any]]", json.loads(answer)["results"])
        for result in results:
            if "error" in result:
                raise RuntimeError(f"{query}: {result['error']}")
        return [series for result in results for series in result.get("series", ())]

    def _api(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        answer = self._checked(method, f"{self.url}/api/v2/{path}", data, "application/json")
        return cast("dict[str, Any]", json.loads(answer or b"{}"))

    def _checked(self, method: str, url: str, body: bytes | None = None, kind: str = "") -> bytes:
        headers = {"Authorization": f"Token {self.token}"} | ({"Content-Type": kind} if kind else {})
        answer = request(method, url, body, headers)
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise RuntimeError(f"{method} {url}: {answer.status} {answer.body.decode(errors='replace')}")
        return answer.body


def own_server(environment: Mapping[str, str]) -> InfluxServer | None:
    """Returns the user's own server that INFLUXDB_TEST_URL names, or None."""
    if not environment.get("INFLUXDB_TEST_URL"):
        return None
    names = ["INFLUXDB_TEST_URL", "INFLUXDB_TEST_TOKEN", "INFLUXDB_TEST_ORG", "INFLUXDB_TEST_BUCKET"]
    if missing := [name for name in names if not environment.get(name)]:
        raise pytest.UsageError(f"INFLUXDB_TEST_URL is set, but not {', '.join(missing)}")
    url, token, org, bucket = (environment[name].strip() for name in names)
    return InfluxServer(url=url.rstrip("/"), token=token, org=org, bucket=bucket)


@contextmanager
def fresh_server(binary: Path, folder: Path) -> Generator[InfluxServer]:
    """Starts a server on a free port, with an empty folder and one bucket, and stops it at the end."""
    process = ServerProcess(binary, folder)
    try:
        process.start()
        server = InfluxServer(
            url=process.url, token=secrets.token_hex(32), org="test-org", bucket="test", process=process
        )
        body = {"username": "test", "password": "a password", "token": server.token}
        server._api("POST", "setup", body | {"org": server.org, "bucket": server.bucket})
        yield server
    finally:
        process.stop()
