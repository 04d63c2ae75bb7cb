import re
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from otel_job_measure.settings import Settings
from tests.acceptance.recorded import Runs
from tests.support.influx import InfluxServer
from tests.support.processes import SHIP, Processes, until

pytestmark = pytest.mark.acceptance


def spooled(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables of a process that only writes: it has neither a token nor a password."""
    return {**variables, "INFLUXDB_TOKEN": "", "INFLUXDB_PASSWORD": "", "OTEL_JOB_MEASURE_SHIP": "off"}


def accepted(points: int) -> tuple[int, str, str]:
    """Returns what `ship --once` exits with and says when it has sent so many points."""
    return 0, f"{points} points accepted, 0 rejected, 0 expired\n", ""


def segments(state_dir: Path) -> list[Path]:
    """Returns all segments of a state directory."""
    return [*state_dir.glob("slots/*/*.lp"), *state_dir.glob("ready/*.lp")]


def test_a_process_that_does_not_ship_leaves_it_to_the_command(processes: Processes, runs: Runs) -> None:
    """With SHIP=off nothing is sent until `ship --once` does it, of the living and the dead, and each point once."""
    living, ended, killed = (processes.driver(**spooled(runs.variables)) for _ in range(3))
    left_open, lost = living.begin("living"), killed.begin("killed")
    done = {living.run("living"): "end", ended.run("ended"): "end"}
    assert living.tell("flush", "5") is True
    assert (living.tell("health")["reachable"], ended.tell("close")) == (None, True)
    done[ended.run("ended")] = "end"
    assert ended.end() == 0
    killed.kill()
    assert runs.outcomes() == {}
    code, said, stderr = processes.ship(**runs.variables)
    assert (code, said) == accepted(13)[:2]
    assert re.fullmatch(r"WARNING: .*\blost\b.*: 1\n", stderr)
    assert runs.outcomes() == done | {left_open: "start", lost: "lost"}
    assert processes.ship(**runs.variables) == accepted(0)
    living.go_on(left_open)
    assert processes.ship(**runs.variables) == accepted(2)
    assert living.end() == 0
    assert processes.ship(**runs.variables) == accepted(0)
    assert runs.outcomes() == done | {left_open: "end", lost: "lost"}


def test_ship_delivers_until_it_is_stopped(processes: Processes, runs: Runs, state_dir: Path) -> None:
    """The rows of a living process arrive while it runs, its segments go when it has ended; SIGTERM ends it with 0."""
    ship = processes.start(*SHIP, **runs.variables)
    app = processes.driver(OTEL_JOB_MEASURE_SHIP="off")
    uuid = app.begin("job")
    runs.become({uuid: "start"}, "the start is in InfluxDB")
    app.go_on(uuid)
    runs.become({uuid: "end"}, "the end is in InfluxDB")
    killed = processes.driver(OTEL_JOB_MEASURE_SHIP="off")
    lost = killed.begin("job")
    killed.kill()
    runs.become({uuid: "end", lost: "lost"}, "the lost run is in InfluxDB")
    until(lambda: len(segments(state_dir)) == 1, "only the segment of the living one is left")
    assert app.end() == 0
    until(lambda: not segments(state_dir), "no segment is left")
    ship.popen.send_signal(signal.SIGTERM)
    assert ship.end() == 0
    assert processes.ship(**runs.variables) == accepted(0)


def test_redirect_sends_what_waits_for_a_destination_that_is_gone(
    processes: Processes, runs: Runs, influx: InfluxServer
) -> None:
    """What was left for another bucket is shown, and sent to the present one only with `--redirect`."""
    old = Runs(influx=influx, bucket=influx.new_bucket())
    app = processes.driver(**spooled(old.variables))
    uuid = app.run("moved")
    assert app.end() == 0
    code, said, stderr = processes.ship(**runs.variables)
    assert (code, said) == accepted(0)[:2]
    waiting = Settings(**influx.arguments(old.bucket)).destination
    assert waiting is not None
    assert f"wait for {waiting.label};" in stderr
    assert runs.outcomes() == {}
    assert processes.ship("--redirect", **runs.variables) == accepted(3)
    assert (runs.outcomes(), old.outcomes()) == ({uuid: "end"}, {})
    assert processes.ship(**old.variables) == accepted(0)


def test_two_destinations_share_a_state_directory(processes: Processes, runs: Runs, influx: InfluxServer) -> None:
    """Points for one destination are sent there, and by no process or command of another destination."""
    other = Runs(influx=influx, bucket=influx.new_bucket())
    left = {one.bucket: processes.driver(**spooled(one.variables)) for one in (runs, other)}
    here, there = left[runs.bucket].run("here"), left[other.bucket].run("there")
    assert [app.end() for app in left.values()] == [0, 0]
    app = processes.driver(**runs.variables)
    ours = {here: "end", app.run("here"): "end"}
    runs.become(ours, "a process has sent what was left")
    assert app.end() == 0
    assert processes.ship(**runs.variables)[1] == accepted(0)[1]
    assert (runs.outcomes(), other.outcomes()) == (ours, {})
    assert processes.ship(**other.variables) == accepted(3)
    assert (runs.outcomes(), other.outcomes()) == (ours, {there: "end"})
