import pytest

from tests.acceptance.processes import Processes
from tests.acceptance.recorded import Runs

pytestmark = pytest.mark.acceptance


def test_a_second_run_is_delivered_as_surely_as_the_first(processes: Processes, runs: Runs) -> None:
    """Each run of one process is in InfluxDB while the process lives, one after a `close()` too."""
    app = processes.driver(**runs.variables)
    done: dict[str, str] = {}
    for job in ("first", "second", "third"):
        done[app.run(job)] = "end"
        runs.become(done, f"the {job} run is in InfluxDB")
        if job == "second":
            assert app.tell("close") is True
    assert [run.job for run in runs.all().values()] == ["first", "second", "third"]
    assert app.end() == 0
