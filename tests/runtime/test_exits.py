"""The end of a process: what is not sent is sent for a bounded time, and nothing is lost."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime import pipeline
from tests.delivery.support import Reply, TinyServer
from tests.runtime.support import DEAD, delivered, history, said, segments, sending, told_by, variables
from tests.support.processes import until

pytestmark = pytest.mark.usefixtures("long_ends")

JOB = """
import os, sys, threading
from otel_job_measure import JobMeasure

measure = JobMeasure()
with measure.run("nightly"):
    pass
"""


def ended(code: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a Python of its own."""
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60
    )


def test_without_a_destination_the_history_has_everything(state_dir: Path) -> None:
    """A process that ends by itself leaves its runs in the history and no segment."""
    done = ended(JOB)
    assert (done.returncode, done.stderr) == (0, "")
    assert segments(state_dir) == []
    assert history(state_dir) == [("nightly", "end", None)]


@pytest.mark.parametrize("how", ["sys.exit(3)", "raise ValueError", "os.kill(os.getpid(), 2)"])
def test_a_process_that_ends_badly_sends_all_the_same(how: str, server: TinyServer, state_dir: Path) -> None:
    """Whatever ends Python as it does by itself: an exit code, an exception, an interrupt."""
    done = ended(f"{JOB}{how}", **variables(server.url))
    assert done.returncode in {3, 1, -signal.SIGINT}
    assert delivered(server) == ["nightly"]
    assert segments(state_dir) == []


def test_a_process_that_leaves_at_once_leaves_its_segment(server: TinyServer, state_dir: Path) -> None:
    """After `os._exit` the next one finds it; the run has ended, and is not taken for lost."""
    ended(f"{JOB}os._exit(0)")
    [segment] = segments(state_dir)
    assert segment.parent.parent.name == "slots"
    assert history(state_dir) == [("nightly", "end", None)]


def test_a_server_that_is_gone_holds_nobody_up(state_dir: Path) -> None:
    """The first request that fails is the last, and the segment waits for the next process."""
    done = ended(JOB, **variables(DEAD), OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT="10m")
    assert done.returncode == 0
    [segment] = segments(state_dir)
    assert segment.parent.name == "ready"


def test_a_server_that_hangs_holds_nobody_up_for_longer_than_was_set(server: TinyServer, state_dir: Path) -> None:
    """`OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT` bounds the end of a process."""
    over = threading.Event()
    server.during = over.wait
    bounds = {"OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "0.3", "OTEL_JOB_MEASURE_TIMEOUT": "10m"}
    try:
        done = ended(JOB, **variables(server.url), **bounds)
    finally:
        over.set()
    assert done.returncode == 0
    assert [path.parent.name for path in segments(state_dir)] == ["ready"]


def test_a_run_that_is_open_in_a_daemon_thread_is_lost(state_dir: Path) -> None:
    """Python ends without it, and the next recovery pass records it as lost; ended runs stay ended."""
    done = ended(
        JOB
        + """
inside = threading.Event()

def for_ever():
    with measure.run("for-ever"):
        inside.set()
        threading.Event().wait()

threading.Thread(target=for_ever, daemon=True).start()
inside.wait()
"""
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.parent.parent.name for path in segments(state_dir)] == ["slots"]
    assert history(state_dir) == [("for-ever", "failed", "lost"), ("nightly", "end", None)]


def test_a_job_that_runs_at_exit_is_measured(state_dir: Path) -> None:
    """Before our own part of it and after, though on some versions no thread can be started any more."""
    done = ended(
        """
import atexit
from otel_job_measure import JobMeasure

def late(name):
    with measure.run(name):
        pass

atexit.register(late, "after")
measure = JobMeasure()
atexit.register(late, "before")
"""
    )
    assert done.returncode == 0
    assert history(state_dir) == [("after", "end", None), ("before", "end", None)]


def test_jobs_in_a_thread_that_outlives_the_main_thread_are_measured(server: TinyServer, state_dir: Path) -> None:
    """Python waits for such a thread before it ends, and so do we."""
    ended(
        JOB
        + """
def later():
    threading.main_thread().join()
    with measure.run("later"):
        pass

threading.Thread(target=later).start()
""",
        **variables(server.url),
    )
    assert sorted(delivered(server)) == ["later", "nightly"]
    assert segments(state_dir) == []


def test_two_destinations_are_both_served(server: TinyServer, state_dir: Path) -> None:
    """Each pipeline of a process is closed."""
    told_by(
        JOB + "with JobMeasure(influxdb_bucket='another').run('weekly'):\n    print('null')",
        environment=variables(server.url),
    )
    assert sorted(delivered(server)) == ["nightly", "weekly"]
    assert segments(state_dir) == []


def test_one_that_fails_to_close_does_not_keep_the_others_from_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug of ours is logged, and the process ends as it would."""
    closed: list[str] = []

    class Broken:
        def close_at_exit(self) -> None:
            closed.append("broken")
            raise ZeroDivisionError

    class Sound:
        def close_at_exit(self) -> None:
            closed.append("sound")

    both = {Broken(), Sound()}
    monkeypatch.setattr(pipeline, "_closed_at_exit", both)
    pipeline._close_all()
    assert sorted(closed) == ["broken", "sound"]
    assert said(caplog) == ["the last points could not be sent"]


TURNED = """
import logging, os, pathlib, shutil
from otel_job_measure import JobMeasure

measure = JobMeasure()
handle = measure.start("begun", key=1)
measure.flush(30)
state = pathlib.Path(os.environ["OTEL_JOB_MEASURE_STATE_DIR"])
while state.exists():  # the history may be in the middle of a transaction
    shutil.rmtree(state, ignore_errors=True)
state.write_text("")
measure.finish(1)
with measure.run("later"):
    pass
assert not measure.close(1)
print(measure.health().pending)
"""


def test_a_state_directory_that_turns_into_a_file_loses_nothing_in_silence(state_dir: Path) -> None:
    """The endings wait in memory and are pending; the end of the process says how many are lost."""
    done = ended(TURNED)
    assert (done.returncode, done.stdout) == (0, "5\n")
    assert "5 points could not be written and are lost" in done.stderr
    assert state_dir.read_text() == ""


def test_what_cannot_be_written_is_sent_at_the_end(server: TinyServer) -> None:
    """The server gets the endings that the state directory could not take."""
    done = ended(TURNED, **variables(server.url))
    assert (done.returncode, done.stdout) == (0, "5\n")
    assert "lost" not in done.stderr
    assert sorted(delivered(server)) == ["begun", "later"]


def test_points_that_another_program_deleted_are_said_and_the_sender_leaves_all_the_same(
    server: TinyServer, state_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise its silence would be an alarm; `close` says that not everything arrived."""
    server.always = Reply(status=503)
    measure = sending(server, history=False)
    with measure.run("nightly"):
        until(lambda: server.requests, "the start is on its way")  # before it is taken, no other point is read
    assert not measure.flush(0)
    while state_dir.exists():  # the sender may be writing there
        shutil.rmtree(state_dir, ignore_errors=True)
    server.always = Reply()
    assert not measure.close(30)
    assert delivered(server) == []
    assert b"left=true" in server.words[-1].body
    assert "points of this process were deleted before influxdb had them" in said(caplog)


FULL = """
import os, pathlib, resource, sys
from otel_job_measure import JobMeasure

measure = JobMeasure()
if sys.argv[1:] == ["begun"]:
    measure.start("begun", key=1)
else:
    with measure.run("before"):
        pass
measure.flush(30)
[segment] = pathlib.Path(os.environ["OTEL_JOB_MEASURE_STATE_DIR"]).glob("slots/*/*.lp")
sys.dont_write_bytecode = True  # the limit would cut it short
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
measure.finish(1)
with measure.run("later"):
    pass
"""
NEXT = """
from otel_job_measure import JobMeasure

measure = JobMeasure()
with measure.run("next"):
    pass
assert measure.flush(30)
"""


@pytest.mark.parametrize("before", ["begun", "before"])
def test_a_run_whose_ending_was_sent_from_a_full_disk_has_no_other(
    server: TinyServer, state_dir: Path, before: str
) -> None:
    """Its start is in a segment, and its ending is not: the next process must not end it as lost."""
    done = ended(FULL, before, **variables(server.url))
    assert done.returncode == 0, done.stderr
    assert ended(NEXT, **variables(server.url)).returncode == 0
    assert set(delivered(server)) == {before, "later", "next"}
    assert not any(b"lost" in line for request in server.requests for line in request.lines)
    assert StateDir(state_dir).unknown_times() != (), "the history lacks rows"
