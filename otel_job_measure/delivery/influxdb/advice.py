"""Which server answered, by its own headers, and which variable to set for it."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from otel_job_measure import names

_VERSION: Final = "x-influxdb-version"
_BUILD: Final = "x-influxdb-build"
_CLUSTER: Final = "cluster-uuid"
_MOST_CHARS: Final = 40
_is_plain = re.compile(r"[A-Za-z0-9.+_~ -]+").fullmatch

_URL, _TOKEN, _TOKEN_FILE = names.ENV_INFLUXDB_URL, names.ENV_INFLUXDB_TOKEN, names.ENV_INFLUXDB_TOKEN_FILE
_ORG, _BUCKET = names.ENV_INFLUXDB_ORG, names.ENV_INFLUXDB_BUCKET
_USER, _PASSWORD = names.ENV_INFLUXDB_USERNAME, names.ENV_INFLUXDB_PASSWORD
_ADDRESS: Final = f"set {_URL} to the address of an InfluxDB server"
_names_org = re.compile(r"\borg(id|anization)?\b").search


class Server(NamedTuple):
    """The InfluxDB that answered."""

    version: str = ""
    """Its version; empty if it does not say."""
    build: str = ""
    """Its edition: `OSS`, `Core`, `Enterprise`, …; empty if it does not say."""

    @property
    def generation(self) -> int | None:
        """Returns 1, 2 or 3; None if it is unknown."""
        first = self.version[:1]
        return int(first) if first in {"1", "2", "3"} else None

    @property
    def title(self) -> str:
        """Returns the server's name, such as `InfluxDB 1.13.2` or `InfluxDB 3.9.1 Core`."""
        build = "" if self.build == "OSS" else self.build
        return " ".join(part for part in ("InfluxDB", self.version, build) if part)


UNKNOWN: Final = Server()


def server_of(headers: Mapping[str, str]) -> Server:
    """Returns which server says these headers; names in small letters."""
    version = _plain(headers.get(_VERSION, "")).removeprefix("v")
    build = _plain(headers.get(_BUILD, ""))
    # Only version 3 has this header; its managed editions do not say which version they are.
    return Server(version or ("3" if headers.get(_CLUSTER) else ""), build)


def _plain(value: str) -> str:
    value = value.strip()[:_MOST_CHARS]
    return value if _is_plain(value) else ""


def advice_for(status: int, text: str, server: Server = UNKNOWN) -> str:
    """Returns what to set after an answer that keeps no line."""
    lower = text.lower()
    if "https server" in lower:
        return f"let {_URL} begin with https://"
    if "retention policy not found" in lower:
        return f"make the retention policy, or set {_BUCKET} to database/retention-policy that the server has"
    if _about_database(status, lower):
        what = "bucket" if lower.startswith("bucket ") and server.generation in (2, None) else "database"
        return f"make the {what}, or set {_BUCKET} to one that the server has"
    has_org = server.generation in (2, None)
    if has_org and status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND) and _names_org(lower):
        return f"set {_ORG} to an organization that the server has"
    return _of_status(status, server)


def _about_database(status: int, lower: str) -> bool:
    if status == HTTPStatus.NOT_FOUND and lower.startswith(("bucket ", "database ", "namespace ")):
        return True
    return lower.startswith(("database not found", "db name ", "invalid character in database", "database is required"))


def _of_status(status: int, server: Server) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        user = f"{_USER} and {_PASSWORD} (or {_TOKEN} to user:password)"
        return {
            1: f"set {user} to a user that the server knows",
            None: f"set {_TOKEN} or {_TOKEN_FILE} to a token that the server knows, or for InfluxDB 1.x {user}",
        }.get(server.generation, f"set {_TOKEN} or {_TOKEN_FILE} to a token that the server knows")
    if status == HTTPStatus.FORBIDDEN:
        writer = f"the user of {_USER}" if server.generation == 1 else f"the token of {_TOKEN}"
        return f"let {writer} write to {_BUCKET}, or set another"
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return _ADDRESS
    where = (_URL, _ORG, _BUCKET) if server.generation in (2, None) else (_URL, _BUCKET)
    return f"check {', '.join(where)}, and any proxy between"
