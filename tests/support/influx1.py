"""A real InfluxDB 1.x for tests, which `make servers` built: databases are its buckets, users its tokens."""

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlencode

from tests.support.influx import InfluxServer
from tests.support.influxd import process_1

USER: Final = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxServer1(InfluxServer):
    """A server of generation 1; `token` is its administrator and the password, or empty if it asks for neither."""

    secret_variable: ClassVar[str] = "INFLUXDB_PASSWORD"

    def variables(self, bucket: str | None = None) -> dict[str, str]:
        """Returns the environment variables that send a process's points to `bucket`."""
        user, _, password = self.token.partition(":")
        where = {"INFLUXDB_URL": self.url, "INFLUXDB_BUCKET": bucket or self.bucket}
        return where | ({"INFLUXDB_USERNAME": user, "INFLUXDB_PASSWORD": password} if user else {})

    def make_bucket(self, name: str, retention_s: int = 0) -> str:
        """Makes an empty database whose points are kept for `retention_s` (0: for ever) and returns its name."""
        self.command(f'CREATE DATABASE "{name}"' + (f" WITH DURATION {retention_s}s" if retention_s else ""))
        self._made.append(name)
        return name

    def new_user(self, name: str, password: str, right: str, bucket: str) -> None:
        """Makes a user with one right, such as `WRITE`, on one database."""
        quoted = name.replace('"', '\\"')
        self.command(f"""CREATE USER "{quoted}" WITH PASSWORD '{password}'""")
        self.command(f'GRANT {right} ON "{bucket}" TO "{quoted}"')

    def write_only_token(self, bucket: str) -> str:
        """Makes a user who may write to `bucket` and nothing else, and returns `user:password`."""
        name = f"writer-{secrets.token_hex(6)}"
        self.new_user(name, "its-password", "WRITE", bucket)
        return f"{name}:its-password"

    def clean(self) -> None:
        """Deletes the databases that were made here."""
        while self._made:
            self.command(f'DROP DATABASE "{self._made.pop()}"')

    def command(self, text: str) -> None:
        """Runs a statement that changes something."""
        self._checked("POST", f"{self.url}/query?{urlencode({'q': text})}")


@contextmanager
def fresh_server_1(
    binary: Path, folder: Path, version: str, *, auth: bool = True, **limits: int
) -> Generator[InfluxServer1]:
    """Starts a server with an empty folder and one database, and stops it at the end.

    Args:
        binary: The program.
        folder: Where its data are.
        version: Its version.
        auth: Whether it asks for user and password.
        **limits: More arguments of `process_1`.
    """
    process = process_1(binary, folder, auth=auth, **limits)
    try:
        process.start()
        token = f"{USER}:{secrets.token_hex(16)}" if auth else ""
        server = InfluxServer1(url=process.url, token=token, org="-", bucket="test", process=process, version=version)
        if auth:  # the first user needs no rights of anyone
            _, _, password = token.partition(":")
            server.command(f"CREATE USER {USER} WITH PASSWORD '{password}' WITH ALL PRIVILEGES")
        server.command('CREATE DATABASE "test"')
        yield server
    finally:
        process.stop()
