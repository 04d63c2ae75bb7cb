"""The real OpenTelemetry Collector and the real Telegraf, with the project's own configurations."""

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final

import pytest

from tests.support.influx import InfluxServer
from tests.support.influxd import request
from tests.support.watched import WatchedProcess, free_port

ROOT: Final = Path(__file__).parents[2]
CONFIGURATIONS: Final = ROOT / "collector"
TELEGRAF: Final = CONFIGURATIONS / "telegraf.conf"
_HOW_TO_GET_IT: Final = "this test needs the real {program}: run `make servers` once"


def built(program: str, environment: Mapping[str, str]) -> Path:
    """Returns where a program is that `make servers` has built; where it is not there, the test is skipped or fails.

    Args:
        program: `collector` or `telegraf`, as the scripts in tests/servers are called.
        environment: As it was before tests got one of their own.
    """
    script = [str(ROOT / "tests" / "servers" / f"{program}.sh"), "--path"]
    path = Path(
        subprocess.run(script, env=dict(environment), capture_output=True, text=True, check=True).stdout.strip()
    )
    if not path.exists():
        words = _HOW_TO_GET_IT.format(program=program)
        if environment.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(words, pytrace=False)
        pytest.skip(words)
    return path


def variables_for(influx: InfluxServer, bucket: str) -> dict[str, str]:
    """Returns an environment with nothing in it but what names an InfluxDB's bucket."""
    return {"PATH": os.environ["PATH"], **influx.variables(bucket)}


class Collector(WatchedProcess):
    """A collector with some of our configurations, on ports of its own.

    Args:
        binary: The program.
        folder: A new folder for its log.
        environment: All of its environment, without ports.
        *names: The files, without their ending.
        setting: One more setting, such as `exporters::kafka::timeout: 1s`.
    """

    def __init__(
        self, binary: Path, folder: Path, environment: Mapping[str, str], *names: str, setting: str | None = None
    ) -> None:
        folder.mkdir()
        more = [] if setting is None else [f"--config=yaml:{setting}"]
        grpc, http, health, metrics = (free_port() for _ in range(4))
        self.grpc = f"http://127.0.0.1:{grpc}"
        self.http = f"http://127.0.0.1:{http}"
        self._health = f"http://127.0.0.1:{health}/"
        ports = {
            "OTLP_GRPC_LISTEN": f"127.0.0.1:{grpc}",
            "OTLP_HTTP_LISTEN": f"127.0.0.1:{http}",
            "COLLECTOR_HEALTH_LISTEN": f"127.0.0.1:{health}",
            "COLLECTOR_METRICS_PORT": str(metrics),
        }
        super().__init__(
            [str(binary), *(f"--config={CONFIGURATIONS / name}.yaml" for name in names), *more],
            folder,
            self._is_healthy,
            {**ports, **environment},
        )

    def _is_healthy(self) -> bool:
        return request("GET", self._health, timeout_s=5).status == HTTPStatus.OK


class Telegraf(WatchedProcess):
    """A Telegraf with our configuration, on a port of its own.

    Args:
        binary: The program.
        folder: A new folder for its log and its buffer.
        environment: All of its environment, without the port and paths.
        *additions: The files beside telegraf.conf, without their ending.
        file: Its place.
    """

    def __init__(
        self, binary: Path, folder: Path, environment: Mapping[str, str], *additions: str, file: Path = TELEGRAF
    ) -> None:
        folder.mkdir()
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        self.grpc = f"http://{self.address}"
        paths = {
            "TELEGRAF_ROWS": str(CONFIGURATIONS / "rows.star"),
            "TELEGRAF_OTLP_LISTEN": self.address,
            "TELEGRAF_BUFFER_DIR": str(folder / "buffer"),
        }
        files = [file, *(CONFIGURATIONS / f"{name}.conf" for name in additions)]
        command = [str(binary), "--strict-env-handling", *(f"--config={file}" for file in files)]
        super().__init__(command, folder, self._is_listening, {**paths, **environment})

    def _is_listening(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=5):
            return True
        return False


def program(name: str) -> str:
    """Returns where a program of the machine is, or skips the test; under CI it has to be there."""
    found = shutil.which(name)
    if found is None:
        words = f"this test needs {name}"
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(words, pytrace=False)
        pytest.skip(words)
    return found
