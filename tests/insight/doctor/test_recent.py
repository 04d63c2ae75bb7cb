"""How many runs of the last hour are in InfluxDB."""

import os
import time
from pathlib import Path
from typing import Final

from otel_job_measure import JobMeasure, Settings
from otel_job_measure.cli import main
from otel_job_measure.delivery.influxdb.advice import Server
from otel_job_measure.insight.doctor import recent
from otel_job_measure.insight.doctor.finding import OK, PROBLEM, WARNING, Budget, Finding
from otel_job_measure.insight.doctor.server import Asked
from tests.support.influx import InfluxServer

LATER_NS: Final = 300 * 10**9


def recorded(settings: Settings, *, ship: bool) -> None:
    """Records a run, and brings the history up to date."""
    measure = JobMeasure(settings.changed(ship=ship))
    with measure.run("nightly"):
        pass
    measure.flush(20)
    measure.close(5)
    assert main(["runs", "--json"]) == 0


def found(settings: Settings) -> Finding:
    """Returns what is found five minutes later."""
    asked = Asked(settings=settings, server=Server("2.7.12"), budget=Budget(60))
    (finding,) = recent.examined(settings, asked, os.uname().nodename, time.time_ns() + LATER_NS)
    return finding


def test_runs_that_did_not_arrive_are_told(influx: InfluxServer, bucket: str, state_dir: Path) -> None:
    """All, some or none of them; a run for another server, or for none, does not count."""
    settings = Settings(**influx.arguments(bucket), state_dir=state_dir)
    recorded(Settings(state_dir=state_dir), ship=True)
    assert found(settings).facts["runs"] == 0
    recorded(settings, ship=True)
    assert (found(settings).level, found(settings).facts["delivered"]) == (OK, 1)
    for path in (state_dir / "ready").iterdir():
        path.unlink()
    recorded(settings, ship=False)
    assert (found(settings).level, found(settings).facts["runs"]) == (WARNING, 2)
    assert "1 of the 2 runs" in found(settings).text
    elsewhere = settings.changed(influxdb_bucket=influx.new_bucket())
    recorded(elsewhere, ship=False)
    assert found(elsewhere).level == PROBLEM
