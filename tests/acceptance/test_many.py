import pytest

from tests.acceptance.recorded import Runs
from tests.support.processes import Processes

pytestmark = pytest.mark.acceptance
PROCESSES = 4
THREADS = 4
EACH = 50


def test_no_two_runs_of_a_job_become_one(processes: Processes, runs: Runs) -> None:
    """Four processes with four threads each run one job as fast as they can, and InfluxDB has every point."""
    apps = [processes.driver(**runs.variables) for _ in range(PROCESSES)]
    uuids = [app.run("busy") for app in apps]
    for app in apps:
        app.say(f"many busy {THREADS} {EACH}")
    for app in apps:
        uuids += app.answer()
    assert [app.end() for app in apps] == [0] * PROCESSES
    assert len(uuids) == PROCESSES * (THREADS * EACH + 1)
    assert runs.outcomes() == dict.fromkeys(uuids, "end")
    assert len(runs.influx.lines(runs.bucket)) == 3 * len(uuids)
