"""Jobs that aren't Python, through the agent and Telegraf."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.collector.ways import come
from tests.support.backend import Backend
from tests.support.collectors import Collector, Telegraf, program
from tests.support.influx import InfluxServer

HERE = Path(__file__).parent


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
    subprocess.run([str(node / "bin" / "node"), str(HERE / "node" / "job.cjs")], env=variables, check=True, timeout=60)
    rows = come(influx, bucket, 6)
    assert all(row.tags.items() >= {"job": "node-report", "project": "reports"}.items() for row in rows)
    runs = [row for row in rows if row.measurement == "scheduling-job-run"]
    assert [(run.tags["status"], run.fields.get("error_type")) for run in runs] == [
        ("end", None),
        ("failed", "RangeError"),
    ]
    assert len({run.fields["uuid"] for run in runs}) == 2


def test_a_shell_script_is_measured(
    influx: InfluxServer,
    bucket: str,
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    backend: Backend,
) -> None:
    """With curl and nothing else."""
    program("curl")
    through = telegraf(bucket)
    first = agent(influx.new_bucket(), backend.url, "agent-telegraf", TELEGRAF_ENDPOINT=through.address)
    subprocess.run(["sh", str(HERE / "apps" / "backup.sh"), first.http], check=True, timeout=60)
    start, *ending = come(influx, bucket, 3)
    assert start.fields["status"] == "start"
    assert {row.measurement for row in ending} == {"scheduling-job", "scheduling-job-run"}
    assert {row.fields["uuid"] for row in ending} == {start.fields["uuid"]}
    assert all(row.tags.items() >= {"job": "backup", "project": "backups"}.items() for row in (start, *ending))
