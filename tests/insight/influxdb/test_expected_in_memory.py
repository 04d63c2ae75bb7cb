"""What a process expects and cannot note in a state directory is known in InfluxDB."""

import json
import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.expectations.expectation import DueList, JobId
from tests.runtime.support import ROOT
from tests.support.exec_ import COMMAND
from tests.support.influx import InfluxServer
from tests.support.uncovered import uncovered

HOUR_NS: Final = 3600 * 10**9


def known(influx: InfluxServer, bucket: str, tmp_path: Path) -> dict[str, str]:
    """Returns the jobs that another machine knows of, with their sources."""
    there = {**uncovered(), **influx.variables(bucket), "OTEL_JOB_MEASURE_STATE_DIR": str(tmp_path / "elsewhere")}
    command = [sys.executable, "-m", "otel_job_measure", "expected", "--from", "influxdb", "--json"]
    found = subprocess.run(command, cwd=ROOT, env=there, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return {each["job"]: each["source"] for each in map(json.loads, found.stdout.splitlines())}


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
    now_ns = time.time_ns()
    measure.pipeline.say_due("apscheduler", JobId("tick", "billing"), DueList(now_ns, now_ns + HOUR_NS, (now_ns + 1,)))
    measure.close(60)
    assert list(folder.iterdir()) == []
    assert known(influx, bucket, tmp_path) == {"nightly": "code", "tick": "scheduler"}


@pytest.mark.parametrize("place", ["state", "state/expected"])
@pytest.mark.parametrize("when", ["before", "later"])
def test_a_place_that_becomes_unusable_hides_no_job(
    influx: InfluxServer, bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str, when: str
) -> None:
    """Jobs run on, one warning says that nothing can be written, and the server is told all the same."""
    measure = JobMeasure(**influx.arguments(bucket), state_dir=tmp_path / "state", project="billing")
    if when == "later":
        measure.job("first", every="1h")(int)()
        measure.pipeline._maintain()
        assert measure.flush(60)  # a point that is gone with its file would end the delivery at the exit
        while (tmp_path / place).exists():  # the sender and the history may be writing there
            shutil.rmtree(tmp_path / place, ignore_errors=True)
    (tmp_path / place).parent.mkdir(exist_ok=True, mode=0o700)
    (tmp_path / place).write_text("")
    with caplog.at_level(logging.WARNING):
        job = measure.job("second", every="1h")(int)
        assert job() == 0
        now_ns = time.time_ns()
        due = DueList(now_ns, now_ns + HOUR_NS, (now_ns + 1,))
        measure.pipeline.say_due("apscheduler", JobId("tick", "billing"), due)
        measure.pipeline._maintain()
        assert job() == 0
        measure.close(60)
    assert caplog.text.count("what should happen is not kept") == 1
    assert "cannot be read" not in caplog.text
    expected = {"second": "code", "tick": "scheduler"} | ({"first": "code"} if when == "later" else {})
    assert known(influx, bucket, tmp_path) == expected


def test_what_can_be_noted_again_is_no_longer_in_memory(
    influx: InfluxServer, bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The state directory alone says it then, so no row of an older version comes from memory."""
    measure = JobMeasure(**influx.arguments(bucket), state_dir=tmp_path / "state")
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "expected").write_text("")
    with caplog.at_level(logging.WARNING):
        measure.job("first", every="1h")(int)
        measure.pipeline._maintain()
        assert [job.job.job for job in measure.pipeline.expected_memory().jobs()] == ["first"]
        (tmp_path / "state" / "expected").unlink()
        measure.job("second", every="1h")(int)
        measure.pipeline._maintain()
        assert measure.pipeline.expected_memory().jobs() == []
        measure.close(60)
    assert known(influx, bucket, tmp_path) == {"first": "code", "second": "code"}


@pytest.mark.usefixtures("long_ends")
@pytest.mark.parametrize("place", ["memory", "a file"])
def test_exec_tells_it_too(influx: InfluxServer, bucket: str, tmp_path: Path, place: str) -> None:
    """Its command runs, whatever the state directory is."""
    (tmp_path / "file").write_text("")
    where = "memory" if place == "memory" else str(tmp_path / "file")
    environment = {**uncovered(), **influx.variables(bucket), "OTEL_JOB_MEASURE_STATE_DIR": where}
    command = [*COMMAND, "exec", "--every", "1h", "backup", "--", "sh", "-c", "exit 3"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert known(influx, bucket, tmp_path) == {"backup": "exec"}, done.stderr
