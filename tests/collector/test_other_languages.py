"""Jobs that aren't Python, through the agent and Telegraf."""

import os
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.collector.ways import come, post_spans, span
from tests.support.backend import Backend
from tests.support.collectors import CONFIGURATIONS, Collector, Telegraf, program
from tests.support.influx import InfluxServer

EXAMPLES = CONFIGURATIONS / "examples"
SHELLS: list[list[str]] = [[], ["sh"], ["bash", "--posix"], ["busybox", "sh"]]


def test_a_job_in_node_is_measured(
    influx: InfluxServer,
    bucket: str,
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    backend: Backend,
    node: Path,
) -> None:
    """With @opentelemetry/sdk-node and the job's name on its span; one run ends well, one fails."""
    through = telegraf(bucket)
    first = agent(influx.new_bucket(), backend.url, "agent-telegraf", TELEGRAF_ENDPOINT=through.address)
    variables = {
        "NODE_PATH": str(node / "node_modules"),
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": first.http,
        "OTEL_SERVICE_NAME": "reports",
    }
    subprocess.run(
        [str(node / "bin" / "node"), str(EXAMPLES / "node" / "job.cjs")], env=variables, check=True, timeout=60
    )
    rows = come(influx, bucket, 6)
    assert all(row.tags.items() >= {"job": "node-report", "project": "reports"}.items() for row in rows)
    runs = [row for row in rows if row.measurement == "scheduling-job-run"]
    assert [(run.tags["status"], run.fields.get("error_type")) for run in runs] == [
        ("end", None),
        ("failed", "RangeError"),
    ]
    assert len({run.fields["uuid"] for run in runs}) == 2


@pytest.mark.parametrize("shell", SHELLS, ids=["itself", "sh", "bash", "busybox"])
def test_a_shell_script_is_measured(
    influx: InfluxServer,
    bucket: str,
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    backend: Backend,
    shell: list[str],
) -> None:
    """With curl and POSIX; its start and its end have times of their own, though its clock knows seconds only."""
    program("curl")
    program(*shell[:1] or ["sh"])
    through = telegraf(bucket)
    first = agent(influx.new_bucket(), backend.url, "agent-telegraf", TELEGRAF_ENDPOINT=through.address)
    subprocess.run([*shell, str(EXAMPLES / "backup.sh"), first.http], check=True, timeout=60)
    start, *ending = come(influx, bucket, 3)
    assert start.fields["status"] == "start"
    assert {row.measurement for row in ending} == {"scheduling-job", "scheduling-job-run"}
    assert {row.fields["uuid"] for row in ending} == {start.fields["uuid"]}
    assert all(row.tags.items() >= {"job": "backup", "project": "backups"}.items() for row in (start, *ending))


def test_a_collector_of_your_own_hands_runs_on(
    influx: InfluxServer,
    bucket: str,
    telegraf: Callable[..., Telegraf],
    collector_binary: Path,
    backend: Backend,
    stack: ExitStack,
    tmp_path: Path,
) -> None:
    """With the blocks of in-your-collector.yaml beside a pipeline that gets every span as before."""
    last = telegraf(bucket)
    (tmp_path / "yours.yaml").write_text(YOURS)
    variables = {"PATH": os.environ["PATH"], "TRACES_ENDPOINT": backend.url, "TELEGRAF_ENDPOINT": last.address}
    names = (str((tmp_path / "yours").absolute()), "examples/in-your-collector")
    yours = Collector(collector_binary, tmp_path / "collector", variables, *names)
    stack.callback(yours.stop)
    yours.start()
    post_spans(yours.http, ({"service.name": "shop"}, [span(trace=7, attributes={"scheduling.job.name": "nightly"})]))
    post_spans(yours.http, ({}, [span(trace=8, attributes={})]))
    assert {row.tags["job"] for row in come(influx, bucket, 3)} == {"nightly"}
    yours.stop()
    assert len(backend.spans()) == 2


YOURS = """
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "${env:OTLP_GRPC_LISTEN}"}
      http: {endpoint: "${env:OTLP_HTTP_LISTEN}"}
exporters:
  otlp_http: {endpoint: "${env:TRACES_ENDPOINT}"}
extensions:
  health_check: {endpoint: "${env:COLLECTOR_HEALTH_LISTEN}"}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_http]}
"""
