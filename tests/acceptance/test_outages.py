import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import Secrets
from tests.acceptance.recorded import Runs
from tests.support.processes import Processes, until

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("hard", [pytest.param(False, id="terminated"), pytest.param(True, id="killed")])
def test_nothing_is_lost_while_the_server_is_down(processes: Processes, runs: Runs, *, hard: bool) -> None:
    """What runs while InfluxDB is stopped, in a process that stays and in one that ends, is there afterwards."""
    app = processes.driver(**runs.variables)
    before = app.begin("before")
    runs.become({before: "start"}, "the first start is in InfluxDB")
    until(lambda: app.tell("health")["pending"] == 0, "the process knows that it is there")
    with runs.influx.stopped(hard=hard):
        app.go_on(before)
        uuids = [before, *app.tell("many", "during", "2", "50")]
        assert app.tell("flush", "0.1") is False
        until(lambda: app.tell("health")["reachable"] is False, "the process knows that it is down")
        assert app.tell("health")["pending"] == 302
        short_lived = processes.driver(**runs.variables)
        uuids.append(short_lived.run("short-lived"))
        assert short_lived.end() == 0
    assert app.tell("flush", "90") is True
    uuids.append(app.run("after"))
    assert app.end() == 0
    assert processes.ship(**runs.variables)[0] == 0
    assert runs.outcomes() == dict.fromkeys(uuids, "end")


def test_a_job_never_waits_for_the_network(processes: Processes, runs: Runs) -> None:
    """While the server answers nothing, jobs begin and end and their process ends; it is thawed only after that."""
    app = processes.driver(**runs.variables, OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT="0.2")
    uuids = [app.run("warm")]
    runs.become({uuids[0]: "end"}, "the first run is in InfluxDB")
    with runs.influx.frozen():
        uuids += [app.run("frozen"), *app.tell("many", "frozen", "2", "50"), app.begin("frozen")]
        app.go_on(uuids[-1])
        assert app.tell("health")["pending"] > 0
        assert app.end() == 0
    assert processes.ship(**runs.variables)[0] == 0
    assert runs.outcomes() == dict.fromkeys(uuids, "end")


def test_a_token_that_is_put_right_is_used(processes: Processes, runs: Runs, secrets: Secrets, tmp_path: Path) -> None:
    """With a wrong token or password points wait, and the log says what to set; then they are sent."""
    name = runs.influx.secret_variable
    wrong, right = "wrong-token-of-a-test", runs.variables[name]
    secrets.tokens.append(wrong)
    file = secrets.write(tmp_path / "token", wrong)
    variables = runs.variables | {name: "", f"{name}_FILE": str(file)}
    app, gone = processes.driver(**variables), processes.driver(**variables)
    uuids = [app.run("stays"), gone.run("goes")]
    assert [app.tell("flush", "0.5"), gone.tell("flush", "0.5")] == [False, False]
    assert gone.end() == 0
    until(lambda: re.search(rf"set (?:INFLUXDB_USERNAME and )?{name}\b", app.stderr), "what to set")
    secrets.write(file, f"{right}\n")
    assert app.tell("flush", "90") is True
    assert processes.ship(**variables)[0] == 0
    assert runs.outcomes() == dict.fromkeys(uuids, "end")


def test_a_bucket_that_is_made_later_gets_everything(processes: Processes, runs: Runs) -> None:
    """Where the bucket is missing points wait, and the log says so; once it is made they are there."""
    missing = Runs(influx=runs.influx, bucket=f"{runs.bucket}-later")
    app = processes.driver(**missing.variables)
    uuid = app.run("early")
    assert app.tell("flush", "0.5") is False
    advice = "make the (?:bucket|database), or set INFLUXDB_BUCKET to one that the server has"
    until(lambda: re.search(advice, app.stderr), "what to do")
    missing.influx.make_bucket(missing.bucket)
    assert app.tell("flush", "90") is True
    assert missing.outcomes() == {uuid: "end"}


def a_file(folder: Path) -> Path:
    """Returns a file."""
    (folder / "file").touch()
    return folder / "file"


def below_a_file(folder: Path) -> Path:
    """Returns a place that can't be made."""
    return a_file(folder) / "state"


def not_writable(_folder: Path) -> Path:
    """Returns a place where not even root can write."""
    return Path("/proc/otel-job-measure")


@pytest.mark.parametrize("place", [a_file, below_a_file, not_writable])
def test_without_a_place_for_files_points_are_delivered_from_memory(
    place: Callable[[Path], Path], processes: Processes, runs: Runs, tmp_path: Path
) -> None:
    """Where the state directory can't be used there is one warning and every run; the commands end with 1."""
    variables = runs.variables | {"OTEL_JOB_MEASURE_STATE_DIR": str(place(tmp_path))}
    app = processes.driver(**variables)
    uuids = [app.run("first")]
    assert app.tell("flush", "90") is True
    uuids += app.tell("many", "second", "4", "5")
    assert app.tell("close") is True
    uuids.append(app.run("third"))
    assert app.end() == 0
    assert runs.outcomes() == dict.fromkeys(uuids, "end")
    assert app.stderr.count("WARNING:") == app.stderr.count("points are kept in memory") == 1
    code, said, stderr = processes.ship(**variables)
    assert (code, said) == (1, "")
    assert stderr.startswith("otel-job-measure: ")
