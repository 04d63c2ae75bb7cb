"""What tests of whole `JobMeasure`s share: what a state directory holds, and processes of their own."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Unpack

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Arguments, Settings
from tests.delivery.support import TinyServer
from tests.support.uncovered import uncovered

ROOT: Final = Path(__file__).parents[2]
THREAD: Final = "otel-job-measure"
DEAD: Final = "http://127.0.0.1:9"
"""An address without a server."""


def there(url: str, **more: Unpack[Arguments]) -> Arguments:
    """Returns settings that send points to a server."""
    known: Arguments = {
        "influxdb_url": url,
        "influxdb_token": "a-token",
        "influxdb_org": "o",
        "influxdb_bucket": "b",
    }
    return {**known, **more}


def variables(url: str) -> dict[str, str]:
    """Returns the same as variables."""
    return {name.upper(): str(value) for name, value in there(url).items()}


def sending(server: TinyServer, **more: Unpack[Arguments]) -> JobMeasure:
    """Returns one that delivers to a server."""
    return JobMeasure(**there(server.url, **more))


def run(measure: JobMeasure, name: str) -> None:
    """Runs a job that does nothing."""
    with measure.run(name):
        pass


def segments(state_dir: Path) -> list[Path]:
    """Returns the segments of a state directory, in slots or in `ready/`."""
    return sorted([*state_dir.glob("slots/*/*.lp"), *state_dir.glob("ready/*.lp")])


def history(state_dir: Path) -> list[tuple[str, str, str | None]]:
    """Returns job, status and reason of each run in the segments and the history, sorted."""
    found, _ = up_to_date(Settings(state_dir=state_dir))
    return sorted((run.job, run.status, run.reason) for run in found.latest(limit=1_000_000))


def delivered(server: TinyServer) -> list[str]:
    """Returns the jobs whose ends a server was sent, in the order in which they came."""
    lines = [line.decode() for request in server.requests for line in request.lines]
    return [line.partition("job=")[2].partition(" ")[0] for line in lines if ' status="end"' in line.replace(",", " ")]


def said(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    """Returns what was logged from some level on."""
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


def told_by(code: str, *words: object, environment: Mapping[str, str] | None = None, is_covered: bool = True) -> Any:  # noqa: ANN401 - JSON
    """Runs code in a Python of its own and returns the last line that it prints, which is JSON.

    A fork beside threads can hang on a lock of coverage's: such code is not followed by it.

    From 3.12 on, Python warns of every fork beside a thread.
    """
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", code, *map(str, words)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**(os.environ if is_covered else uncovered()), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def stays(_path: Path) -> bool:
    """Says, in the place of `dies_with_process`, that a folder outlives the process, whatever the tests' folder is."""
    return False


@contextmanager
def as_a_stranger() -> Generator[None]:
    """Takes root's rights away during a block; another user keeps its rights."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
