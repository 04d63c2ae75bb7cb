"""What an app without a state directory declares is known in InfluxDB."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from otel_job_measure import JobMeasure
from tests.runtime.support import ROOT
from tests.support.influx import InfluxServer
from tests.support.uncovered import uncovered


def test_another_host_knows_of_a_job_that_never_ran(
    influx: InfluxServer, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app's sender tells it, at the latest when the app ends; no file is made."""
    folder = tmp_path / "app"
    folder.mkdir()
    monkeypatch.chdir(folder)
    measure = JobMeasure(**influx.arguments(bucket), state_dir="memory", project="billing")
    measure.job("nightly", every="1h", grace="5m")(print)
    measure.job("broken", every="never")(print)
    measure.close()
    assert list(folder.iterdir()) == []
    there = {**uncovered(), **influx.variables(bucket), "OTEL_JOB_MEASURE_STATE_DIR": str(tmp_path / "elsewhere")}
    command = [sys.executable, "-m", "otel_job_measure", "expected", "--from", "influxdb", "--json"]
    found = subprocess.run(command, cwd=ROOT, env=there, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "nightly" in found.stdout, found.stdout
    assert "broken" not in found.stdout
    assert json.loads(found.stdout.splitlines()[0])
