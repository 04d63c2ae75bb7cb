"""`doctor --drill` with InfluxDB 1 and 2, and with a stub of 3 that reads and writes."""

from pathlib import Path

import pytest

from otel_job_measure import names
from tests.cli.test_doctor_drill import FINDINGS, drill, left, notices, webhook
from tests.insight.notify.receivers import Webhook
from tests.support.influx import InfluxServer
from tests.support.sql3 import sql_3

__all__ = ["webhook"]

pytestmark = pytest.mark.timeout(600)  # each act may take a minute on a busy machine


def test_it_goes_through_influxdb_and_leaves_nothing_there(
    real_influx: InfluxServer,
    state_dir: Path,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Runs are delivered, the check asks InfluxDB, each act is found and told, and all rows are deleted."""
    bucket = real_influx.new_bucket()
    for name, value in real_influx.variables(bucket).items():
        monkeypatch.setenv(name, value)
    real_influx.write("scheduling-job-sender,host=another complete_until=1i,pending=0i,left=false", bucket)
    before = real_influx.all_lines(bucket)
    code, found = drill(capfd, "--notify", webhook.url)
    assert (code, {each["level"] for each in found}) == (0, {0}), found
    assert found[0]["text"] == "The test point was removed."
    assert f"InfluxDB {real_influx.version[0]}" in found[1]["text"]
    assert {finding for kind, finding in notices(webhook) if kind == "opened"} == FINDINGS
    assert real_influx.all_lines(bucket) == before
    assert left(state_dir) == []


def test_it_goes_through_influxdb_3_and_names_what_stays(
    state_dir: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each act is found by SQL and told; InfluxDB 3 deletes no rows, which is a warning."""
    with sql_3() as stub:
        database = stub.new_database()
        for name, value in stub.arguments(database).items():
            monkeypatch.setenv(name.upper(), value)
        code, found = drill(capfd, "--notify", webhook.url)
        rows = list(stub.written[database].values())
    assert (code, [each["check"] for each in found if each["level"]]) == (1, ["drill.removed"]), found
    assert "InfluxDB 3" in found[1]["text"]
    assert {finding for kind, finding in notices(webhook) if kind == "opened"} == FINDINGS
    assert f"bucket {database} (InfluxDB 3 deletes no rows)" in found[-1]["text"]
    said = found[0]["text"] + found[-1]["text"]
    assert {row.measurement for row in rows if row.measurement in said} == {row.measurement for row in rows}
    assert all(names.DRILL in str(row.tags) for row in rows if row.measurement != names.PROBE)
    assert left(state_dir) == []
