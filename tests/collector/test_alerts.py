"""What to do before a configuration is trusted: the preflight, and the rules that tell when runs are lost."""

import re
import subprocess
from collections.abc import Callable
from http import HTTPStatus

import yaml

from tests.collector.ways import post_span
from tests.support.backend import Backend
from tests.support.collectors import CONFIGURATIONS, Collector, Telegraf, program, variables_for
from tests.support.influx import InfluxServer
from tests.support.influxd import request
from tests.support.processes import until
from tests.support.watched import free_port

PREFLIGHT = CONFIGURATIONS / "preflight.sh"
_metric = re.compile(r"\b(?:otelcol|internal)_\w+")


def preflight(influx: InfluxServer, bucket: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs the preflight with the variables of a bucket."""
    program("curl")
    command = ["sh", str(PREFLIGHT)]
    environment = variables_for(influx, bucket) | more
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_preflight_asks_for_each_bucket(influx: InfluxServer, bucket: str) -> None:
    """It names the one that refuses, with InfluxDB's words; the token is in none of them, and nothing is written."""
    other = influx.new_bucket()
    good = preflight(influx, bucket, INFLUXDB_SPANS_BUCKET=other)
    assert (good.returncode, good.stderr) == (0, "")
    missing = preflight(influx, bucket, INFLUXDB_SPANS_BUCKET="no such bucket")
    assert (missing.returncode, missing.stdout) == (1, f"{bucket}: takes rows\n")
    assert "no such bucket: refuses rows" in missing.stderr
    limited = preflight(influx, other, INFLUXDB_TOKEN=influx.write_only_token(bucket))
    assert (limited.returncode, "insufficient permissions" in limited.stderr) == (1, True)
    wrong = preflight(influx, bucket, INFLUXDB_TOKEN="a-secret")
    assert (wrong.returncode, "unauthorized" in wrong.stderr) == (1, True)
    assert "a-secret" not in wrong.stdout + wrong.stderr
    assert preflight(influx, bucket, INFLUXDB_URL="http://127.0.0.1:1").returncode == 1
    assert influx.lines(bucket) == influx.lines(other) == []


def shown(port: int) -> set[str]:
    """Returns the names of the metrics that a program shows with a value of at least one."""
    answer = request("GET", f"http://127.0.0.1:{port}/metrics", timeout_s=10)
    assert answer.status == HTTPStatus.OK
    found = re.findall(r"^(\w+)(?:\{.*?\})? ([0-9.e+]+)$", answer.body.decode(), re.MULTILINE)
    return {name for name, value in found if float(value) >= 1}


def test_the_rules_name_metrics_that_tell_of_lost_runs(
    influx: InfluxServer,
    bucket: str,
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    backend: Backend,
) -> None:
    """A wrong token at the agent and a missing bucket behind Telegraf count, and each log says what is dropped."""
    ports = free_port(), free_port()
    last = telegraf("no-such-bucket", "telegraf-metrics", TELEGRAF_METRICS_LISTEN=f"127.0.0.1:{ports[0]}")
    more = {"TELEGRAF_ENDPOINT": last.address, "COLLECTOR_METRICS_PORT": str(ports[1]), "INFLUXDB_TOKEN": "wrong"}
    first = agent(bucket, backend.url, "agent-telegraf", COLLECTOR_METRICS_INTERVAL="1s", **more)
    for trace in (7, 0):
        post_span(first.http, trace=trace, attributes={"scheduling.job.name": "nightly"})
    of_telegraf = {"internal_write_metrics_rejected", "internal_write_errors"}
    of_agent = {"otelcol_exporter_send_failed_spans", "otelcol_processor_filter_spans_filtered"}
    until(lambda: shown(ports[0]) >= of_telegraf, "Telegraf's metrics of what it drops")
    until(lambda: shown(ports[1]) >= of_agent, "the agent's metrics of what it drops")
    until(lambda: "Dropping data" in first.words, "the agent's word for it, which comes after its metric")
    until(lambda: "will be dropped" in last.words, "Telegraf's")
    rules = [
        rule
        for group in yaml.safe_load((CONFIGURATIONS / "alerts.yaml").read_text())["groups"]
        for rule in group["rules"]
    ]
    named = {name for rule in rules for name in _metric.findall(rule["expr"])}
    assert named >= of_telegraf | of_agent
    assert all({"alert", "expr", "labels", "annotations"} <= rule.keys() for rule in rules)
