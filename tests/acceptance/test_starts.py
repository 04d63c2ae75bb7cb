import sys

import pytest

from tests.acceptance.recorded import Runs
from tests.support.exec_ import COMMAND
from tests.support.processes import APPS, Processes

pytestmark = pytest.mark.acceptance
CONFIRMED = {"OTEL_JOB_MEASURE_CONFIRM_START": "server", "OTEL_JOB_MEASURE_CONFIRM_TIMEOUT": "86400"}
WAITER = [sys.executable, str(APPS / "waiting.py")]


@pytest.mark.parametrize("door", [[*WAITER, "measured"], [*COMMAND, "exec", "waits", "--", *WAITER, "plain"]])
def test_a_job_can_wait_until_its_own_start_is_in_influxdb(door: list[str], processes: Processes, runs: Runs) -> None:
    """A start is in InfluxDB while the job runs, for a job in Python and for a command: the job itself has seen it."""
    job = processes.start(*door, **runs.variables)
    seen = job.finish()
    assert job.popen.returncode == 0, job.stderr
    [(uuid, run)] = runs.all().items()
    assert seen == f"start {uuid}\n"
    assert (run.job, run.outcome) == ("waits", "end")


@pytest.mark.parametrize("begin", ["begin", "begin_async"])
def test_a_confirmed_start_is_there_when_the_body_begins(begin: str, processes: Processes, runs: Runs) -> None:
    """With `confirm_start=server` the first line of a job finds its start in InfluxDB."""
    app = processes.driver(**runs.variables, **CONFIRMED)
    done: dict[str, str] = {}
    for _ in range(3):
        uuid = app.tell(begin, "confirmed")
        assert runs.outcomes() == done | {uuid: "start"}
        app.go_on(uuid)
        assert app.tell("flush", "90") is True
        done[uuid] = "end"


@pytest.mark.parametrize("begin", ["begin", "begin_async"])
@pytest.mark.parametrize("down", ["stopped", "frozen"])
def test_a_job_does_not_wait_for_a_server_that_is_down(begin: str, down: str, processes: Processes, runs: Runs) -> None:
    """The first run finds out that the server is down; no run waits a day for it to come back."""
    app = processes.driver(**runs.variables, **CONFIRMED, OTEL_JOB_MEASURE_TIMEOUT="0.5")
    with runs.influx.stopped() if down == "stopped" else runs.influx.frozen():
        uuids = [app.tell(begin, "unconfirmed") for _ in range(5)]
        for uuid in uuids:
            app.go_on(uuid)
        assert app.tell("health")["reachable"] is False
    assert app.tell("flush", "90") is True
    assert runs.outcomes() == dict.fromkeys(uuids, "end")
