"""What docs/fleet.md says to try on one machine, as it stands there."""

import os
import re
import signal
import socket
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.collector.conftest import ENVIRONMENT
from tests.support.collectors import ROOT, built, program
from tests.support.exec_ import COMMAND
from tests.support.influx import InfluxServer
from tests.support.kafka import Kafka
from tests.support.processes import until
from tests.support.watched import free_port

PORTS = ("4318", "14317", "13134", "8889")


def blocks() -> tuple[str, str]:
    """Returns what starts the programs, and what a host does."""
    page = (ROOT / "docs" / "fleet.md").read_text()
    [block] = re.findall(r"## Try it on one machine.*?```sh\n(.*?)```", page, re.DOTALL)
    programs, exports, job = re.split(r"(?m)^(?=export OTEL_JOB_MEASURE_SINK)|(?=OTEL_JOB_MEASURE_SHIP)", block)
    first = programs.split("\n\n")[0]
    return programs, first + "\n" + exports + job


def listens(port: str) -> bool:
    """Tells whether a program takes connections."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), timeout=5):
        return True
    return False


@pytest.mark.timeout(240)
def test_the_page_can_be_followed(influx: InfluxServer, bucket: str, stack: ExitStack, tmp_path: Path) -> None:
    """With other ports and addresses, and nothing else of its own."""
    program("openssl")
    kafka = Kafka(built("kafka", ENVIRONMENT), tmp_path / "kafka")
    stack.callback(kafka.stop)
    kafka.start()
    ports = {port: str(free_port()) for port in PORTS}
    here = {
        "http://localhost:8086": influx.url,
        "…": influx.token,
        "acme": influx.org,
        "INFLUXDB_BUCKET=jobs": f"INFLUXDB_BUCKET={bucket}",
        "localhost:9092": kafka.address,
        **ports,
    }
    what = re.compile("|".join(rf"(?<!\d){re.escape(each)}(?!\d)" for each in here))
    start, host = (what.sub(lambda found: here[found[0]], block) for block in blocks())
    (tmp_path / "bin").mkdir()
    (tmp_path / "collector").symlink_to(ROOT / "collector")
    (tmp_path / "bin" / "otelcol-jobs").symlink_to(built("collector", ENVIRONMENT))
    (tmp_path / "bin" / "telegraf").symlink_to(built("telegraf", ENVIRONMENT))
    (tmp_path / "bin" / "otel-job-measure").symlink_to(COMMAND[0])
    environment = os.environ | {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "OTLP_GRPC_LISTEN": f"127.0.0.1:{free_port()}",
        "OTLP_HTTP_LISTEN": f"127.0.0.1:{ports['4318']}",
        "COLLECTOR_HEALTH_LISTEN": f"127.0.0.1:{free_port()}",
        "COLLECTOR_METRICS_PORT": str(free_port()),
    }
    shell = subprocess.Popen(
        ["bash", "-ec", f"{start}\nwait"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    stack.enter_context(shell)
    stack.callback(os.killpg, shell.pid, signal.SIGTERM)
    for port in ("4318", "14317", "13134"):
        until(lambda port=port: listens(ports[port]), f"the program at {port}")  # type: ignore[misc]
    said = subprocess.run(
        ["bash", "-ec", host], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert "3 points accepted, 0 rejected, 0 expired" in said.stdout, said
    until(lambda: {row.tags["job"] for row in influx.lines(bucket)} == {"nightly"}, "the run is in InfluxDB")
