"""The influxd process of the tests: where it is, its start and end, and plain requests to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from tests.support.watched import WatchedProcess, free_port

VERSION: Final = "2.7.12"


class ServerProcess(WatchedProcess):
    """An influxd process that can be stopped and started again on the same port, with the same data.

    Args:
        binary: The program.
        folder: Where its data are.
    """

    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary = binary
        self.port = free_port()
        command = [
            str(binary),
            f"--bolt-path={folder / 'influxd.bolt'}",
            f"--engine-path={folder / 'engine'}",
            f"--sqlite-path={folder / 'influxd.sqlite'}",
            f"--http-bind-address=127.0.0.1:{self.port}",
            "--reporting-disabled",
            "--log-level=error",
        ]
        super().__init__(command, folder, self._is_healthy)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _is_healthy(self) -> bool:
        return request("GET", f"{self.url}/health", timeout_s=5).status == HTTPStatus.OK


def binary_path(environment: Mapping[str, str]) -> Path:
    """Returns where `make servers` puts the server, whether it is there or not."""
    if servers := environment.get("OTEL_JOB_MEASURE_SERVERS"):
        cache = Path(servers)
    else:
        home = environment.get("HOME") or "~"
        cache = Path(environment.get("XDG_CACHE_HOME") or Path(home) / ".cache") / "otel-job-measure" / "servers"
    return cache.expanduser().absolute() / f"influxd-{VERSION}" / "influxd"


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
