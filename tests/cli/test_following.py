"""`runs --follow`: each run when it starts and when it ends."""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from otel_job_measure.cli.following import News
from otel_job_measure.cli.viewer import Viewer
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.wanted import ALL
from otel_job_measure.journal.interfaces import Chunk
from tests.history.support import history_in
from tests.insight.contract import ended, started, whole
from tests.support.exchanged import exchange

SECOND: Final = 10**9
JOB: Final = JobId("nightly")


def fill(folder: Path, name: str, data: bytes) -> None:
    """Puts lines into the history of a state directory."""
    folder.mkdir(mode=0o700, exist_ok=True)
    history_in(folder, None, retention_s=1e10).fold([Chunk(segment=f"{name}.lp", offset=0, data=data, host="web-1")])


@contextmanager
def following(*words: str) -> Generator["subprocess.Popen[str]"]:
    """Starts `runs --follow` with two pipes."""
    command = [sys.executable, "-m", "otel_job_measure", "runs", "--follow", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=dict(os.environ)) as process:
        watchdog = threading.Timer(200, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def next_run(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Waits for a line."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def test_a_run_comes_when_it_starts_and_when_it_ends(state_dir: Path) -> None:
    """The latest runs come first, the oldest first; Ctrl-C ends it with 0."""
    now_ns = time.time_ns()
    fill(state_dir, "a", whole("r-1", now_ns - 90 * SECOND, JOB) + whole("r-2", now_ns - 60 * SECOND, JOB))
    with following("--json") as process:
        assert [next_run(process)["uuid"] for _ in range(2)] == ["r-1", "r-2"]
        fill(state_dir, "b", started("r-3", now_ns, JOB))
        assert next_run(process)["uuid"] == "r-3"
        fill(state_dir, "c", ended("r-3", now_ns + SECOND, JOB, took_s=1.0))
        last = next_run(process)
        assert (last["uuid"], last["status"]) == ("r-3", "end")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


def test_a_store_that_goes_away_is_told_once_and_waited_for(state_dir: Path) -> None:
    """It goes on, and lists what came meanwhile."""
    now_ns = time.time_ns()
    fill(state_dir, "a", whole("r-1", now_ns - 90 * SECOND, JOB))
    with following("--json") as process:
        assert process.stderr is not None
        assert next_run(process)["uuid"] == "r-1"
        away = state_dir.with_name("away")
        away.write_bytes(b"no folder")
        exchange(state_dir, away)
        said = [process.stderr.readline()]
        fill(away, "b", whole("r-2", now_ns - 60 * SECOND, JOB))
        exchange(state_dir, away)
        while said[-1].endswith("; trying again\n"):  # a look that has begun before fails at another step
            said.append(process.stderr.readline())
        assert said[-1] == "otel-job-measure: it answers again\n"
        assert len(said) == len({*said}) > 1
        assert next_run(process)["uuid"] == "r-2"
        assert process.poll() is None


def test_a_store_that_was_empty_for_a_time_lists_no_run_twice(state_dir: Path) -> None:
    """A history that was moved away is one without runs; a run that began meanwhile is new."""
    now_ns = time.time_ns()
    fill(state_dir, "a", whole("r-1", now_ns - 90 * SECOND, JOB) + started("r-2", now_ns - 60 * SECOND, JOB))
    args = argparse.Namespace(env_file=Path(os.devnull), state_dir=state_dir, source="history")
    news = News(Viewer(args), ALL)
    assert [run.uuid for run in news.first(20)] == ["r-1", "r-2"]
    state_dir.rename(away := state_dir.with_name("away"))
    assert list(news.next()) == []
    fill(away, "b", started("r-3", now_ns, JOB))
    away.rename(state_dir)
    assert [run.uuid for run in news.next()] == ["r-3"]
