"""A restart of each program in the middle of a thousand runs."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from otel_job_measure import names
from tests.collector.ways import APP, Key, come, environment, keys, told
from tests.support.backend import Backend
from tests.support.collectors import Collector, Telegraf
from tests.support.influx import InfluxServer
from tests.support.processes import until

RUNS, STEP = 1000, 100


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("name", "hard"), [("influxd", True), ("agent", False), ("telegraf", False), ("agent", True), ("telegraf", True)]
)
def test_a_restart_in_the_middle_of_a_thousand_runs(
    influx: InfluxServer,
    bucket: str,
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    backend: Backend,
    name: str,
    hard: bool,  # noqa: FBT001
) -> None:
    """The direct way loses nothing; agent and Telegraf lose what only they had in memory when they were killed."""
    through = telegraf(other := influx.new_bucket(), OTEL_JOB_MEASURE_TAGS="team")
    first = agent(spans := influx.new_bucket(), backend.url, "agent-telegraf", TELEGRAF_ENDPOINT=through.address)
    servers: dict[str, InfluxServer | Collector | Telegraf] = {"influxd": influx, "agent": first, "telegraf": through}
    server = servers[name]
    said: list[bytes] = []
    # The app's exporter gives a batch up when this time is over, and a busy agent takes some seconds to start again.
    variables = environment(influx, bucket, first.http, "http/protobuf", OTEL_EXPORTER_OTLP_TIMEOUT="90")
    with subprocess.Popen(
        [sys.executable, str(APP), str(RUNS)], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as app:
        assert app.stdin is not None
        assert app.stdout is not None
        for step in range(RUNS // STEP):
            if step == RUNS // STEP // 2:
                if name == "telegraf" and not hard:  # of a request that it is just taking it can say yes, and lose it
                    said += [app.stdout.readline() for _ in range(STEP)]
                    come(influx, other, 3 * len(said))
                server.stop(hard=hard)
                if name != "influxd":
                    server.start()
            said += [app.stdout.readline() for _ in range((step + 1) * STEP - len(said))]
            if step == RUNS // STEP // 2:
                server.start()
            app.stdin.write(b"\n")
            app.stdin.flush()
    uuids = {run.uuid for run in told(said)}
    assert len(uuids) == RUNS
    direct = keys(come(influx, bucket, 3 * RUNS))
    assert len(direct) == 3 * RUNS
    if name == "influxd" or not hard:  # what waits in an agent is lost if it stops before it could send it again
        come(influx, other, 3 * RUNS)
        until(lambda: spans_in(influx, spans) >= RUNS, "spans")
    through_telegraf, told_spans = everything(influx, first, through, other, spans)
    assert through_telegraf <= direct
    if name == "influxd" or not hard:
        assert (through_telegraf, told_spans) == (direct, RUNS)


def everything(
    influx: InfluxServer, first: Collector, through: Telegraf, other: str, spans: str
) -> tuple[set[Key], int]:
    """Stops agent and Telegraf, which say what they have before they go, and returns what has come of it."""
    first.stop()
    through.stop()
    rows = [row for row in influx.lines(other) if row.measurement in {names.POINTS, names.RUNS}]
    return keys(rows), spans_in(influx, spans)


def spans_in(influx: InfluxServer, bucket: str) -> int:
    """Returns how many spans are in a bucket."""
    return sum(row.measurement == "spans" for row in influx.lines(bucket))
