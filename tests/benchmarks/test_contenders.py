from pathlib import Path

import pytest

from benchmarks.contenders import CONTENDERS
from benchmarks.contenders.arrivals import ARRIVALS
from benchmarks.contenders.contender import Where
from benchmarks.interleaved import Child, Turns, by_turns, interleaved, started
from benchmarks.stub import stub

NOBODY = "http://127.0.0.1:9"
PEERS = {"sentry-sdk monitor", "healthchecks-style pings", "cronwatch-sdk (SQLite)"}
"""Those whose libraries only `make bench` installs."""


ONE_OF_EACH = ("bare job", "SDK span", "ours", "ours, server down", "ours + SDK span, 16 more tags")


def test_contenders_take_turns(tmp_path: Path) -> None:
    """Every run that was asked for is timed, and the children come to their ends."""
    places = {name: Where(folder=tmp_path / name, url=NOBODY if "down" in name else None) for name in ONE_OF_EACH}
    found = interleaved(places, Turns(rounds=2, most=5, for_s=30))
    for samples in found.values():
        assert [len(chunk) for chunk in samples.rounds] == [5, 5]
        assert min(samples.all) > 0


def test_threads_and_tasks_run_the_job_too(tmp_path: Path) -> None:
    """Each of two threads has its runs, and each run in a task of an event loop has its two steps."""
    where = Where(folder=tmp_path / "child")
    child = Child("ours", where)
    child.ready()
    assert len(child.turn(Turns(rounds=1, most=5, for_s=30, threads=2))) == 10
    assert len(child.turn(Turns(rounds=1, most=5, for_s=30, tasks=2))) == 10
    child.end()


def test_a_child_grows_old(tmp_path: Path) -> None:
    """It runs the job as often as it is told, untimed, and has its turn afterwards as any other."""
    with started({"ours, SHIP=off/old": Where(folder=tmp_path / "child")}) as children:
        [child] = children.values()
        child.age(7)
        assert len(by_turns(children, Turns(rounds=1, most=5, for_s=30))["ours, SHIP=off/old"].all) == 5
        assert child.resident_bytes() > 2**20
    lines = [line for file in tmp_path.rglob("*.lp") for line in file.read_bytes().splitlines()]
    assert sum(line.startswith(b"scheduling-job,") and b'"end"' in line for line in lines) == 7 + 2 * 5


@pytest.mark.parametrize("name", sorted(ARRIVALS.keys() & CONTENDERS.keys() - PEERS))
def test_what_arrives_is_counted(name: str, tmp_path: Path) -> None:
    """A stub that records knows of each run of a process that has ended."""
    with stub(records=True) as server:
        where = Where(folder=tmp_path / "child", url=server.url)
        child = Child(name, where)
        child.ready()
        child.turn(Turns(rounds=1, most=4, for_s=30))
        child.end()
        assert ARRIVALS[name](server.seen(), where) == 4


def test_a_killed_child_has_run_its_jobs(tmp_path: Path) -> None:
    """The child is killed after its last run, and what ours had appended is on the disk."""
    where = Where(folder=tmp_path / "child")
    child = Child("ours, SHIP=off", where)
    child.ready()
    child.kill_after(3)
    lines = [line for file in where.folder.rglob("*.lp") for line in file.read_bytes().splitlines()]
    assert sum(line.startswith(b"scheduling-job,") and b'"end"' in line for line in lines) == 3
