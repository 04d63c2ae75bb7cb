"""The registry of fork hooks, and forks that Python does not see."""

import os
import subprocess
import sys
from pathlib import Path

from otel_job_measure import forks
from tests.journal.support import points_in, statuses
from tests.runtime.support import history
from tests.support.uncovered import uncovered

ROOT = Path(__file__).parents[1]
_FORK_IN_C = """
import ctypes, os, sys
from pathlib import Path
from tests.journal.support import begin, finish, journal_in

journal = journal_in(Path(sys.argv[1]))
mine = begin(journal, uuid="ofitsparents")
pid = ctypes.PyDLL(None).fork()
if pid == 0:
    code = 1
    try:
        assert journal.own() == ()
        finish(journal, begin(journal, uuid="ofthechildxx"))
        code = 0
    finally:
        os._exit(code)
assert os.waitpid(pid, 0)[1] == 0
finish(journal, mine)
assert journal.own()[-1].path.exists(), "the parent was taken for dead"
"""
_TWO_THREADS_IN_C_CHILD = """
import ctypes, os, sys, threading
from pathlib import Path
from otel_job_measure import forks
from tests.journal.support import begin, finish, journal_in

journal = journal_in(Path(sys.argv[1]))
mine = begin(journal, uuid="ofitsparents")
is_done = threading.Event()

def second():
    finish(journal, begin(journal, uuid="ofthesecondx"))
    is_done.set()

def while_hooks_run():
    threading.Thread(target=second).start()
    is_done.wait(0.3)  # it is not done before the hooks are

forks.register(forks.Order.LOCKS, while_hooks_run)
pid = ctypes.PyDLL(None).fork()
if pid == 0:
    finish(journal, begin(journal, uuid="ofthefirstxx"))
    os._exit(0 if is_done.wait(40) and len(journal.own()) == 1 else 1)
assert os.waitpid(pid, 0)[1] == 0
finish(journal, mine)
"""
_MEASURE_IN_C_CHILD = """
import ctypes, os, sys
from otel_job_measure import JobMeasure

# No thread yet: Python itself hangs in a child of C code if another thread was at work.
measure = JobMeasure(state_dir=sys.argv[1])
pid = ctypes.PyDLL(None).fork()
if pid == 0:
    code = 1
    try:
        with measure.run("child"):
            pass
        assert measure.flush(10)
        code = 0 if measure.close(10) else 2
    finally:
        os._exit(code)
assert os.waitpid(pid, 0)[1] == 0
with measure.run("parent"):
    pass
assert measure.close(10)
"""
_IMPORTS = """
import asyncio, sys, traceback
import otel_job_measure
from otel_job_measure import forks

class Finder:
    found = []

    def find_spec(self, name, path, target=None):
        where = [frame.filename for frame in traceback.extract_stack() if "/otel_job_measure/" in frame.filename]
        if where and not forks._gate._is_owned():
            self.found.append((name, where[-1]))
        return None

sys.meta_path.insert(0, Finder())
server = {f"influxdb_{name}": "http://127.0.0.1:9" for name in ("url", "token", "org", "bucket")}
measure = otel_job_measure.JobMeasure(state_dir=sys.argv[1], shutdown_timeout_s=0.1, **server)

@measure.job("nightly", schedule="5 2 * * *", grace="30m")
def nightly():
    pass

@measure.job("weekly", schedule="Mon *-*-* 03:00", timezone="Europe/Riga")
async def weekly():
    pass

async def main():
    await weekly()

for _ in range(2):
    nightly()
    asyncio.run(main())
    measure.start("keyed", key=1)
    measure.finish(1, error=ValueError())
    measure.flush(0)
    measure.health()
    measure.close(0.1)
assert Finder.found == [], Finder.found
"""


def run(code: str, folder: Path) -> None:
    """Runs Python code in a process of its own."""
    subprocess.run([sys.executable, "-c", code, folder], check=True, env=uncovered(), cwd=ROOT, timeout=60)


def test_a_child_that_c_code_forked_takes_a_slot_of_its_own(tmp_path: Path) -> None:
    """UWSGI forks without Python's hooks: the journal sees another process id and begins anew."""
    run(_FORK_IN_C, tmp_path)
    found = {path.parent for path in tmp_path.rglob("*.lp")}
    assert len(found) == 2
    assert statuses(points_in(tmp_path)) == {"ofitsparents": ["start", "end"], "ofthechildxx": ["start", "end"]}


def test_two_threads_of_a_child_that_c_code_forked_share_one_slot(tmp_path: Path) -> None:
    """The second waits until the hooks have run, whichever comes first."""
    run(_TWO_THREADS_IN_C_CHILD, tmp_path)
    assert len({path.parent for path in tmp_path.rglob("*.lp")}) == 2
    expected = ["start", "end"]
    found = statuses(points_in(tmp_path))
    assert found == {"ofitsparents": expected, "ofthefirstxx": expected, "ofthesecondx": expected}


def test_a_child_that_c_code_forked_measures_and_closes(tmp_path: Path) -> None:
    """It has a shipper of its own, and its parent goes on."""
    run(_MEASURE_IN_C_CHILD, tmp_path)
    assert sorted(history(tmp_path)) == [("child", "end", None), ("parent", "end", None)]


def test_hooks_run_in_their_order_and_a_method_only_while_its_object_lives() -> None:
    """Whatever the order of their registration is; each once."""
    ran: list[str] = []

    class Part:
        def __init__(self, name: str) -> None:
            self.name = name

        def forked(self) -> None:
            ran.append(self.name)

    last, first, gone = Part("last"), Part("first"), Part("gone")
    forks.register(forks.Order.PIPELINES, last.forked)
    forks.register(forks.Order.LOCKS, first.forked)
    forks.register(forks.Order.LOCKS, first.forked)
    forks.register(forks.Order.LOCKS, gone.forked)
    del gone
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, ",".join(ran).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    found = os.read(reader, 100).decode()
    os.close(reader)
    os.close(writer)
    assert found == "first,last"
    assert ran == []


def test_the_package_imports_only_while_forks_wait(tmp_path: Path) -> None:
    """A fork during another import would hang the child at the same import."""
    run(_IMPORTS, tmp_path)
