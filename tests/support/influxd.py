"""The influxd process of the tests: where it is, its start and end, and plain requests to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from tests.support.watched import WatchedProcess, free_port

VERSION: Final = "2.7.12"
VERSIONS_1: Final = ("1.8.10", "1.13.2")
"""The oldest and the newest 1.x that the package promises to write to."""

# Without measurements of the server's own.
_CONFIGURATION_1: Final = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
max-values-per-tag = {max_values_per_tag}
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
auth-enabled = {auth}
max-body-size = {max_bytes}
[logging]
level = "error"
"""


class ServerProcess(WatchedProcess):
    """An influxd process that can be stopped and started again on the same port, with the same data.

    Args:
        binary: The program.
        folder: Where its data are.
        arguments: Returns what it is started with on a port; None for those of generation 2.
        port: Where it listens; None for a free port.
    """

    def __init__(
        self,
        binary: Path,
        folder: Path,
        arguments: Callable[[int], Sequence[str]] | None = None,
        port: int | None = None,
    ) -> None:
        self.binary = binary
        self.port = port or free_port()
        of_2 = [
            f"--bolt-path={folder / 'influxd.bolt'}",
            f"--engine-path={folder / 'engine'}",
            f"--sqlite-path={folder / 'influxd.sqlite'}",
            f"--http-bind-address=127.0.0.1:{self.port}",
            "--reporting-disabled",
            "--log-level=error",
        ]
        more = of_2 if arguments is None else arguments(self.port)
        super().__init__([str(binary), *more], folder, self._is_healthy)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _is_healthy(self) -> bool:
        return request("GET", f"{self.url}/health", timeout_s=5).status == HTTPStatus.OK


def process_1(
    binary: Path,
    folder: Path,
    *,
    auth: bool = True,
    max_bytes: int = 25_000_000,
    max_values_per_tag: int = 100_000,
    port: int | None = None,
) -> ServerProcess:
    """Returns the process of a 1.x, not yet started.

    Args:
        binary: The program.
        folder: Where its data are.
        auth: Whether it asks for user and password.
        max_bytes: The largest body that it takes.
        max_values_per_tag: How many values of a tag it takes in a database; 0 for any number.
        port: Where it listens; None for a free port.
    """

    def arguments(port: int) -> list[str]:
        configuration = folder / "influxdb.conf"
        text = _CONFIGURATION_1.format(
            rpc=free_port(),
            folder=folder,
            port=port,
            auth=str(auth).lower(),
            max_bytes=max_bytes,
            max_values_per_tag=max_values_per_tag,
        )
        configuration.write_text(text)
        return ["-config", str(configuration)]

    return ServerProcess(binary, folder, arguments, port)


def binary_path(environment: Mapping[str, str], version: str = VERSION) -> Path:
    """Returns where `make servers` puts the server, whether it is there or not."""
    if servers := environment.get("OTEL_JOB_MEASURE_SERVERS"):
        cache = Path(servers)
    else:
        home = environment.get("HOME") or "~"
        cache = Path(environment.get("XDG_CACHE_HOME") or Path(home) / ".cache") / "otel-job-measure" / "servers"
    return cache.expanduser().absolute() / f"influxd-{version}" / "influxd"


def is_ci(environment: Mapping[str, str]) -> bool:
    """Returns whether a missing server is an error."""
    return environment.get("CI", "").lower() in {"1", "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    status: int
    body: bytes


def request(
    method: str,
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 60,
) -> WriteResult:
    """Sends one HTTP request, past any proxy, and returns the answer, whatever its status."""
    asked = Request(url, data=body, headers=dict(headers or {}), method=method)
    try:
        with build_opener(ProxyHandler({})).open(asked, timeout=timeout_s) as answer:
            return WriteResult(status=answer.status, body=answer.read())
    except HTTPError as error:
        with error:
            return WriteResult(status=error.code, body=error.read())
