"""The shipper's thread: when it starts, and that it never imports a module."""

from pathlib import Path

import pytest

from otel_job_measure import JobMeasure
from tests.delivery.support import Reply, TinyServer
from tests.runtime.support import DEAD, delivered, run, sending, there, told_by, variables
from tests.support.ours import our_threads

# An import of ours in a thread, while the process forks, would hang the child for ever. The hook sees every import of a
# module that is not loaded yet.
WATCH = """
import json, logging, os, sys, threading

imported = []

def hook(event, args):
    if event == "import" and threading.current_thread().name == "otel-job-measure":
        imported.append(args[0])

sys.addaudithook(hook)
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
from otel_job_measure import JobMeasure

measure = JobMeasure()

def run(name):
    with measure.run(name):
        pass

"""
# What our thread does at its first look at what others left.
ADOPTING = """
looked = threading.Event()

def adopt():
    looked.set()
    {}

from otel_job_measure.journal import maintenance
maintenance.maintain = lambda *_, **__: adopt()
run("a")
looked.wait(30)
"""
CLOSED = "\nmeasure.close(10)\nprint(json.dumps(imported))"


@pytest.mark.parametrize("url", [None, DEAD], ids=["local", "shipping"])
def test_it_starts_with_the_first_point(url: str | None) -> None:
    """Not with the `JobMeasure`, nor with a flush; it is a daemon, and there is one, whatever runs."""
    measure = JobMeasure() if url is None else JobMeasure(**there(url))
    assert measure.flush(0)
    assert our_threads() == []
    for name in ("a", "b"):
        run(measure, name)
    [thread] = our_threads()
    assert thread.daemon


def test_one_that_is_only_closed_never_starts_it(server: TinyServer) -> None:
    """Nothing was measured, and nothing is asked of the server."""
    assert sending(server).close(10)
    assert our_threads() == []
    assert server.requests == []


def test_without_a_destination_it_imports_nothing() -> None:
    """Neither the folding into the history nor upkeep nor adoption."""
    assert told_by(WATCH + "run('a')\nmeasure.flush()\nrun('b')" + CLOSED) == []


def test_a_damaged_history_makes_it_import_nothing(state_dir: Path) -> None:
    """It is set aside, with a time in its name, and logged."""
    state_dir.mkdir()
    (state_dir / "history.db").write_bytes(b"no database" * 1000)
    assert told_by(WATCH + "run('a')" + CLOSED) == []
    assert len(list(state_dir.glob("history.db.corrupt-*Z"))) == 1


@pytest.mark.parametrize("more", [{}, {"OTEL_JOB_MEASURE_STATE_DIR": "memory"}], ids=["files", "memory"])
def test_no_answer_makes_it_import_anything(more: dict[str, str], server: TinyServer, tmp_path: Path) -> None:
    """Whatever the server says, and whatever is logged about it."""
    body = b'{"code": "invalid", "message": "unable to parse"}'
    server.replies = [Reply(status, {}, body) for status in (302, 400, 401, 413, 422, 503)]

    def see() -> None:
        if not server.replies:
            (tmp_path / "over").touch()

    server.during = see
    code = WATCH + "while not os.path.exists(sys.argv[1]):\n    run('a')\n    measure.flush(0.2)" + CLOSED
    assert told_by(code, tmp_path / "over", environment={**variables(server.url), **more}) == []
    assert server.replies == []


def test_a_bug_makes_it_import_nothing(server: TinyServer) -> None:
    """A traceback is logged without one."""
    code = WATCH + ADOPTING.format("1 / 0") + CLOSED
    assert told_by(code, environment=variables(server.url), is_covered=False) == []


def test_a_state_directory_that_goes_away_makes_it_import_nothing(state_dir: Path) -> None:
    """Points, history and lock are taken again, or lost, without an import."""
    code = WATCH + f"run('a')\nos.rename({str(state_dir)!r}, {str(state_dir) + '-gone'!r})\nrun('b')" + CLOSED
    assert told_by(code) == []


def test_the_end_of_the_process_makes_it_import_nothing(server: TinyServer) -> None:
    """The thread sends what is left while Python ends."""
    last = "import atexit\natexit.register(lambda: print(json.dumps(imported)))"
    assert told_by(f"{last}\n{WATCH}run('a')", environment=variables(server.url), is_covered=False) == []
    assert delivered(server) == ["a"]


def test_the_watch_sees_an_import() -> None:
    """What the tests above rely on does see an import in our thread."""
    assert "wave" in told_by(WATCH + ADOPTING.format("__import__('wave')") + CLOSED)
