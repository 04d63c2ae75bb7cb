"""What runs now, and how complete a host's rows are, in a real InfluxDB."""

import json
import time
from pathlib import Path

import pytest

from otel_job_measure import names
from tests.acceptance.recorded import Runs
from tests.acceptance.test_ship import spooled
from tests.support.exec_ import COMMAND
from tests.support.influx import Row
from tests.support.processes import SHIP, Driver, Processes, until

pytestmark = pytest.mark.acceptance

_OFTEN = {"OTEL_JOB_MEASURE_HEARTBEAT": "1s"}
_FAILED = "of what runs now are not in InfluxDB"


def rows(runs: Runs, measurement: str) -> list[Row]:
    """Returns the rows of one measurement, the oldest first."""
    return [row for row in runs.influx.all_lines(runs.bucket) if row.measurement == measurement]


def signs(runs: Runs, uuid: str) -> list[Row]:
    """Returns the signs of life of a run."""
    return [row for row in rows(runs, names.ALIVE) if row.fields["uuid"] == uuid]


def follow(runs: Runs, uuid: str, since_ns: int, count: int = 1) -> list[Row]:
    """Waits for signs of life since a time, and returns them."""
    return (
        until(
            lambda: (
                found if len(found := [row for row in signs(runs, uuid) if row.time_ns > since_ns]) >= count else None
            ),
            f"{count} signs of life",
        )
        or []
    )


def test_a_long_run_is_alive_until_its_process_is_killed(processes: Processes, runs: Runs) -> None:
    """Its rows come every interval with the run's tags and growing age; after SIGKILL there are none, but `lost`."""
    app = processes.driver(**runs.variables, **_OFTEN, PROJECT_NAME="billing", CLUSTER_DATACENTER="fra")
    uuid = app.begin("long")
    found = follow(runs, uuid, 0, count=2)
    assert found[0].tags == {"job": "long", "project": "billing", "datacenter": "fra"}
    assert found[0].fields.keys() == {"age", "host", "interval", "uuid"}
    ages = [float(str(row.fields["age"])) for row in found]
    assert ages[0] >= 1.0
    assert ages == sorted(ages)
    app.kill()
    killed_ns = time.time_ns()
    assert processes.ship(**runs.variables)[0] == 0
    assert runs.outcomes() == {uuid: "lost"}
    assert [row for row in signs(runs, uuid) if row.time_ns > killed_ns] == []


def test_no_sign_of_life_follows_an_outage(processes: Processes, runs: Runs) -> None:
    """Of the time when InfluxDB was stopped there is none; afterwards they come again."""
    app = processes.driver(**runs.variables, **_OFTEN)
    uuid = app.begin("long")
    follow(runs, uuid, 0)
    with runs.influx.stopped():
        before, stopped_ns = app.stderr.count(_FAILED), time.time_ns()
        until(lambda: app.stderr.count(_FAILED) >= before + 2, "two attempts have failed")
        over_ns, before = time.time_ns(), app.stderr.count(_FAILED)
        until(lambda: app.stderr.count(_FAILED) >= before + 2, "so has one that was on its way then")
    follow(runs, uuid, over_ns)
    assert [row for row in signs(runs, uuid) if stopped_ns < row.time_ns < over_ns] == []
    app.go_on(uuid)
    assert app.end() == 0
    assert runs.outcomes() == {uuid: "end"}


def test_ship_tells_of_processes_that_do_not_send(processes: Processes, runs: Runs) -> None:
    """It makes the rows from their segments, under their own host; of a killed process it says nothing more."""
    ship = processes.start(*SHIP, **runs.variables, **_OFTEN)
    living, killed = (processes.driver(**spooled(runs.variables)) for _ in range(2))
    short, long, lost = living.begin("short"), living.begin("long"), killed.begin("lost")
    follow(runs, lost, 0)
    living.go_on(short)
    killed.kill()
    runs.become({short: "end", long: "start", lost: "lost"}, "the killed run is lost")
    known_ns = time.time_ns()  # since then `ship` knows it too
    follow(runs, long, known_ns, count=2)
    assert [row for row in (*signs(runs, lost), *signs(runs, short)) if row.time_ns > known_ns] == []
    assert {row.tags["job"] for row in signs(runs, long)} == {"long"}
    living.go_on(long)
    assert living.end() == 0
    ship.popen.terminate()
    assert ship.end() == 0
    assert rows(runs, names.SENDERS)[-1].fields["left"] is True


def test_exec_tells_of_its_command(processes: Processes, runs: Runs) -> None:
    """While the command runs there are signs of life; a short one has none."""
    command = processes.start(*COMMAND, "exec", "copy", "--", "cat", **runs.variables, **_OFTEN)
    (first, *_) = until(lambda: rows(runs, names.ALIVE), "a sign of life")
    assert first.tags == {"job": "copy"}
    assert command.end() == 0
    seldom = {"OTEL_JOB_MEASURE_HEARTBEAT": "1h"}  # on a busy machine the command can take a second
    assert processes.start(*COMMAND, "exec", "short", "--", "true", **runs.variables, **seldom).end() == 0
    assert {row.tags["job"] for row in rows(runs, names.ALIVE)} == {"copy"}
    assert set(runs.outcomes().values()) == {"end"}


def test_a_sender_tells_how_complete_its_rows_are(processes: Processes, runs: Runs) -> None:
    """While it lives, up to a moment ago; at its end, up to its end, and that it has left."""
    began_ns = time.time_ns()
    app = processes.driver(**runs.variables, **_OFTEN)
    app.run("job")
    until(lambda: rows(runs, names.SENDERS), "a word of the sender")
    assert app.end() == 0
    *living, last = rows(runs, names.SENDERS)
    assert {row.fields["left"] for row in living} == {False}
    assert (last.fields["left"], last.fields["pending"]) == (True, 0)
    assert began_ns < int(str(last.fields["complete_until"])) <= last.time_ns
    assert {frozenset(row.tags) for row in [*living, last]} == {frozenset({"host"})}


def test_a_backlog_is_told(processes: Processes, runs: Runs, state_dir: Path) -> None:
    """What a dead process left, and InfluxDB refuses for now, bounds what `ship` says is complete."""
    app: Driver = processes.driver(**spooled(runs.variables))
    app.run("job")
    assert app.end() == 0
    (left,) = state_dir.glob("ready/*.lp")
    created_ns = json.loads(left.read_bytes().split(b"\n")[0].removeprefix(b"# otel-job-measure "))["created"]
    assert processes.ship(**runs.variables)[0] == 0
    (word,) = rows(runs, names.SENDERS)
    assert created_ns < int(str(word.fields["complete_until"])) <= word.time_ns
    assert (word.fields["pending"], word.fields["left"]) == (0, True)


def test_nothing_is_told_if_heartbeats_are_off(processes: Processes, runs: Runs) -> None:
    """`OTEL_JOB_MEASURE_HEARTBEAT=off` leaves only the rows of runs."""
    app = processes.driver(**runs.variables, OTEL_JOB_MEASURE_HEARTBEAT="off")
    app.run("job")
    assert app.end() == 0
    assert {row.measurement for row in runs.influx.all_lines(runs.bucket)} == {names.POINTS, names.RUNS}
