from pathlib import Path

import pytest

from tests.acceptance.recorded import Runs
from tests.support import exec_
from tests.support.processes import Processes

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


@pytest.mark.parametrize(
    ("how", "code", "outcome"), [("return", 0, "end"), ("exit", 3, "exit"), ("raise", 1, "error"), ("thread", 0, "end")]
)
def test_a_process_that_ends_with_its_run_has_delivered_it(
    how: str, code: int, outcome: str, processes: Processes, runs: Runs
) -> None:
    """When a process is gone its last run is in InfluxDB, however the process ended on its own."""
    app = processes.app("leaving", how, **runs.variables)
    uuid = app.line()
    assert app.end() == code
    assert runs.outcomes() == {uuid: outcome}


def test_a_run_that_is_open_when_its_process_ends_is_lost(processes: Processes, runs: Runs) -> None:
    """A process that ends in good order in the middle of a run delivers what there is; its next of kin ends the run."""
    app = processes.driver(**runs.variables)
    left_open, finished = app.begin("open"), app.run("finished")
    assert app.end() == 0
    assert runs.outcomes() == {left_open: "start", finished: "end"}
    assert processes.ship(**runs.variables)[0] == 0
    assert runs.outcomes() == {left_open: "lost", finished: "end"}


def test_a_first_run_after_the_main_thread_has_ended_is_kept(processes: Processes, runs: Runs) -> None:
    """The interpreter may be too far gone to load what delivers: the job runs all the same, the next one sends it."""
    app = processes.app("leaving", "late", **runs.variables)
    uuid = app.line()
    assert app.end() == 0
    assert app.stderr.count("WARNING:") == app.stderr.count("this process leaves its points to others") <= 1
    assert "Traceback" not in app.stderr
    assert processes.ship(**runs.variables)[0] == 0
    assert runs.outcomes() == {uuid: "end"}


def test_what_a_process_leaves_by_os_exit_is_delivered_by_the_next(
    processes: Processes, runs: Runs, state_dir: Path
) -> None:
    """A process that leaves without a word has its finished run on disk, its open one is lost, the next sends both."""
    app = processes.driver(**runs.variables)
    with runs.influx.frozen():
        left_open = app.begin("open")
        finished = app.vanish("finished")
        on_disk = [(point.fields["uuid"], point.fields.get("status")) for point in exec_.points(state_dir)]
    assert on_disk == [(left_open, "start"), (finished, "start"), (finished, None), (finished, "end")]
    later = processes.driver(**runs.variables)
    runs.become({left_open: "lost", finished: "end", later.run("later"): "end"}, "the next process has sent all")


@pytest.mark.parametrize("method", ["fork", "spawn", "pool", "os.fork"])
def test_children_deliver_their_runs(method: str, processes: Processes, runs: Runs) -> None:
    """Children have delivered when they are joined; they end their own runs and not the one they were made in."""
    app = processes.app("parent", method, **runs.variables)
    uuids = app.line().split()
    assert len(set(uuids)) == 8
    assert runs.outcomes() == dict.fromkeys(uuids, "end")
    assert sorted(run.job for run in runs.all().values()) == ["before", *["child"] * 6, "parent"]
    assert app.end() == 0
