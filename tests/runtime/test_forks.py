"""Forks: each process has its own journal, shipper and counts, and ends the runs that it began."""

import subprocess
import sys
from pathlib import Path

import pytest

from otel_job_measure.journal.segment import SegmentFile
from tests.delivery.support import TinyServer
from tests.runtime.support import delivered, history, segments, told_by, variables

pytestmark = pytest.mark.usefixtures("long_ends")

# A child tells by a pipe what its parent prints.
START = """
import json, os, sys, threading
from otel_job_measure import JobMeasure

def run(name):
    with measure.run(name) as opened:
        return opened.uuid

def forked(child):
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(theirs, json.dumps(child()).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    told = os.read(ours, 65536)
    os.waitpid(pid, 0)
    return json.loads(told)
"""


def test_a_child_has_a_journal_of_its_own(state_dir: Path) -> None:
    """Parent and child write to segments of their own, in slots of their own, and nothing of either is lost."""
    told = told_by(
        START
        + """
measure = JobMeasure()
run("before")
print(json.dumps([forked(lambda: run("child")), run("after")]))
os._exit(0)
"""
    )
    found = {path: path.read_text() for path in segments(state_dir)}
    [child] = [path for path, text in found.items() if told[0] in text]
    [parent] = [path for path, text in found.items() if told[1] in text]
    assert "before" not in found[child]
    assert SegmentFile.open(child).header.slot != SegmentFile.open(parent).header.slot
    assert history(state_dir) == [(job, "end", None) for job in ("after", "before", "child")]


def test_a_child_delivers_and_counts_by_itself(server: TinyServer) -> None:
    """Its shipper sends its points and only those; the parent's goes on."""
    told = told_by(
        START
        + """
measure = JobMeasure()

def child():
    before = measure.health().delivered
    run("child")
    return [before, measure.flush(10), measure.health().delivered]

run("before")
sent = measure.flush(10)
told = forked(child)
run("after")
print(json.dumps([sent, told, measure.flush(10), measure.health().delivered]))
""",
        environment=variables(server.url),
    )
    assert told == [True, [0, True, 3], True, 6]
    assert delivered(server) == ["before", "child", "after"]


def test_a_run_of_the_parent_is_not_ended_by_its_child(state_dir: Path) -> None:
    """A child that leaves the block, with an exception or without, writes nothing about it, even as it exits."""
    told_by(
        START
        + """
measure = JobMeasure()
with measure.run("outer"):
    for leave in (lambda: None, lambda: sys.exit(0), lambda: sys.exit(3)):
        pid = os.fork()
        if pid == 0:
            leave()
            break
        os.waitpid(pid, 0)
    else:
        [segment] = measure.pipeline.journal.own()
        print(json.dumps(segment.read(0, 10**6).decode().count("uuid=")))
"""
    )
    assert history(state_dir) == [("outer", "end", None)]
    assert segments(state_dir) == []


def test_a_child_may_fork_and_close(server: TinyServer, state_dir: Path) -> None:
    """Grandchildren too; what a child closes is its own."""
    told_by(
        START
        + """
measure = JobMeasure()

def child():
    run("child")
    return [forked(grandchild), measure.close(10)]

def grandchild():
    run("grandchild")
    return measure.close(10)

with measure.run("outer"):
    told = forked(child)
assert told == [True, True], told
print(json.dumps(measure.close(10)))
""",
        environment=variables(server.url),
    )
    assert sorted(delivered(server)) == ["child", "grandchild", "outer"]
    assert segments(state_dir) == []


def test_a_child_of_a_closed_parent_measures(state_dir: Path) -> None:
    """What was closed before the fork is opened again by the child's first run, in the child alone."""
    told_by(
        START
        + """
measure = JobMeasure()
run("before")
measure.close()
forked(lambda: [run("child"), measure.close()])
print(json.dumps(run("after")))
"""
    )
    assert history(state_dir) == [(job, "end", None) for job in ("after", "before", "child")]
    assert segments(state_dir) == []


@pytest.mark.timeout(60)
def test_a_fork_after_a_run_hangs_no_child() -> None:
    """No tracer provider of ours is there at a fork: what the SDK does with each would deadlock in such a child."""
    told = told_by(
        START
        + """
measure = JobMeasure()
run("before")
import concurrent.futures.thread  # its lock is held while the process forks, from now on
print(json.dumps(forked(lambda: [run("child"), threading.active_count()])[1]))
"""
    )
    assert told == 2


# The target has to be found by a Python that is started anew.
TARGET = """
import multiprocessing, os, sys
from otel_job_measure import JobMeasure, job_measure_sync

measure = JobMeasure() if sys.argv[2] == "made before" else None

def work():
    job_measure_sync({"name": "child"}, int) if measure is None else measure.job("child")(int)()

def main():
    if measure is not None:
        with measure.run("parent"):
            pass
    process = multiprocessing.get_context(sys.argv[1]).Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == 0

if __name__ == "__main__":
    main()
"""
METHODS = [
    ("fork", "made before"),
    ("fork", "made in the child"),
    ("forkserver", "made in the child"),
    ("spawn", "made in the child"),
]


@pytest.mark.parametrize(("method", "made"), METHODS)
@pytest.mark.parametrize("ships", [True, False], ids=["shipping", "local"])
def test_a_child_of_multiprocessing_sends_what_it_has_when_it_ends(
    method: str, made: str, *, ships: bool, server: TinyServer, state_dir: Path, tmp_path: Path
) -> None:
    """It does so on every version, though some leave without atexit; nothing is left for others to find."""
    (tmp_path / "app.py").write_text(TARGET)
    told_by(
        "import sys; sys.path.insert(0, sys.argv[1]); del sys.argv[1]\nimport app; app.main(); print('null')",
        tmp_path,
        method,
        made,
        environment=variables(server.url) if ships else None,
    )
    assert segments(state_dir) == []
    jobs = ["parent", "child"] if made == "made before" else ["child"]
    assert history(state_dir) == [(job, "end", None) for job in sorted(jobs)]
    if ships:
        assert sorted(delivered(server)) == sorted(jobs)


def test_forks_beside_running_jobs_lose_nothing(state_dir: Path) -> None:
    """While threads run jobs, children are forked that run jobs too: each run is there once, and ended."""
    told = told_by(
        START
        + """
measure = JobMeasure()
uuids, over = [], threading.Event()

def jobs():
    while not over.is_set():
        uuids.append(run("parent"))

threads = [threading.Thread(target=jobs) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(8):
    uuids += forked(lambda: [run("child") for _ in range(20)])
over.set()
for thread in threads:
    thread.join()
measure.close()
print(json.dumps(uuids))
""",
        is_covered=False,
    )
    found = history(state_dir)
    assert len(told) == len(set(told)) == len(found)
    assert {run[1:] for run in found} == {("end", None)}
    assert sum(run[0] == "child" for run in found) == 160


def test_the_parent_of_a_fork_is_asked_nothing(tmp_path: Path) -> None:
    """A process that only imports the package registers nothing that a fork has to wait for."""
    code = "import os, otel_job_measure; pid = os.fork(); os._exit(0) if pid == 0 else os.waitpid(pid, 0); print(0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")
