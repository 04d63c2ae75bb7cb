"""A stub of one kind of InfluxDB 3 for the tests of every generation; `tests.support.influx3_server` is its process."""

import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from otel_job_measure import names
from tests.support.influx import Row
from tests.support.influx3_server import rows_of
from tests.support.influxd import request
from tests.support.uncovered import uncovered
from tests.support.watched import WatchedProcess, free_port

_ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Influx3:
    """A running stub; its rows are read from its files."""

    version: str
    url: str
    token: str = field(repr=False)
    folder: Path
    process: WatchedProcess

    def arguments(self, bucket: str | None = None) -> dict[str, Any]:
        """Returns the arguments of `Settings` that send points to `bucket`."""
        return {name.lower(): value for name, value in self.variables(bucket).items()}

    def variables(self, bucket: str | None = None) -> dict[str, str]:
        """Returns the environment variables that do."""
        return {
            "INFLUXDB_URL": self.url,
            "INFLUXDB_TOKEN": self.token,
            "INFLUXDB_ORG": "-",
            "INFLUXDB_BUCKET": bucket or "test",
        }

    def new_bucket(self, retention_s: int = 0) -> str:
        """Makes an empty database that keeps rows for `retention_s` (0: for ever) and returns its name."""
        return self.make_bucket(f"test-{secrets.token_hex(6)}", retention_s)

    def make_bucket(self, name: str, retention_s: int = 0) -> str:
        """Makes an empty database with a name, and returns that."""
        (self.folder / f"{name}.bucket").write_text(str(retention_s))
        return name

    def write(self, text: str | bytes, bucket: str | None = None) -> None:
        """Writes line protocol as it is."""
        where = urlencode({"org": "-", "bucket": bucket or "test", "precision": "ns"})
        body = text.encode() if isinstance(text, str) else text
        headers = {"Authorization": f"Token {self.token}"}
        answer = request("POST", f"{self.url}/api/v2/write?{where}", body, headers)
        if answer.status != HTTPStatus.NO_CONTENT:
            raise RuntimeError(f"{answer.status} {answer.body.decode(errors='replace')}")

    def lines(self, bucket: str | None = None) -> list[Row]:
        """Returns every row of a database, in the order of time, without what senders say of the present."""
        return [row for row in self.all_lines(bucket) if row.measurement not in {names.ALIVE, names.SENDERS}]

    def all_lines(self, bucket: str | None = None) -> list[Row]:
        """Returns every row of a database, in the order of time.

        Rows of the same table, tags and time are one row, of all their fields.
        """
        name = bucket or "test"
        retention_s = int((self.folder / f"{name}.bucket").read_text())
        bound_ns = time.time_ns() - retention_s * 1_000_000_000 if retention_s else 0
        found: dict[str, dict[str, Any]] = {}
        for point in rows_of(self.folder / f"{name}.rows"):
            key = json.dumps([point["measurement"], sorted(point["tags"].items()), point["time_ns"]])
            found.setdefault(key, point)["fields"].update(point["fields"])
        rows = [Row(**point) for point in found.values() if point["time_ns"] >= bound_ns]
        return sorted(rows, key=lambda row: row.time_ns)

    def start(self) -> None:
        """Starts the stub again, with its rows."""
        self.process.start()

    def stop(self, *, hard: bool = False) -> None:
        """Stops the stub, with SIGKILL if `hard`."""
        self.process.stop(hard=hard)

    @contextmanager
    def stopped(self, *, hard: bool = False) -> Generator[None]:
        """Stops the stub for the length of a block."""
        self.stop(hard=hard)
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Lets the stub accept connections and answer none (SIGSTOP) for the length of a block."""
        pid = self.process.pid
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def stub_3(kind: str, folder: Path, parser: Path) -> Generator[Influx3]:
    """Starts a stub of a kind on a free port, with an empty folder and one database, and stops it at the end."""
    port, token = free_port(), f"apiv3_{secrets.token_hex(32)}"
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.support.influx3_server", kind, str(folder), str(port), str(parser)]
    environment = uncovered() | {"PYTHONPATH": str(_ROOT), "STUB_TOKEN": token}

    def answers() -> bool:
        return request("GET", f"{url}/health", timeout_s=5).status == HTTPStatus.OK

    process = WatchedProcess(command, folder, answers, environment)
    server = Influx3(version=kind, url=url, token=token, folder=folder, process=process)
    server.make_bucket("test")
    try:
        process.start()
        yield server
    finally:
        process.stop()
