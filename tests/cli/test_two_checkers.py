"""Two checkers at once: over one InfluxDB they leave one event row, over one state directory one of them tells."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure import names
from otel_job_measure.delivery.expected_rows import row_of
from otel_job_measure.expectations.expectation import Expectation, JobId
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.journal.statements import Snapshot, Statement
from otel_job_measure.points.monitor import Sender
from otel_job_measure.points.monitor_rows import line_of
from otel_job_measure.testing import ManualClock
from tests.support.exec_ import COMMAND
from tests.support.influx import InfluxServer
from tests.support.uncovered import uncovered

NS: Final = 10**9
PATIENT: Final = ("--timeout", "5m")
"""On a busy machine, ten seconds are not enough for a process that asks a server."""
DUE_NS: Final = (time.time_ns() - 2 * 3600 * NS) // (3600 * NS) * 3600 * NS
"""An hour that lies two to three hours back: a due time that nothing matched, long decided."""
KILLED: Final = """
import os, signal, sys
from otel_job_measure.cli import main
from otel_job_measure.journal.journal import SegmentJournal

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(SegmentJournal, sys.argv[1], die)
main(sys.argv[2:])
"""
"""A checker that ends itself before it appends its rows, or after that and before it gives its slot back."""


def _expectations(folder: Path) -> list[bytes]:
    """Notes that two jobs are due at `DUE_NS`, and returns that as rows."""
    clock = ManualClock()
    clock.wall = DUE_NS - 1800 * NS
    hour = DUE_NS // (3600 * NS) % 24
    limits = Expectation(schedule=f"0 {hour} * * *", timezone="UTC", grace_s=60.0)
    jobs = [JobId("nightly", "billing", "production"), JobId("import, of ö", "billing")]
    statements = [Statement(job=job, expectation=limits) for job in jobs]
    store = ExpectedStore(folder, clock)
    assert store.note(Snapshot(source="file", origin="jobs.toml", statements=statements))
    return [line_of(row_of(job, 0)) for job in store.jobs()]


@pytest.fixture
def server(influx: InfluxServer, bucket: str, tmp_path: Path) -> dict[str, str]:
    """An InfluxDB that knows of two due times without a run; what points a checker to it."""
    now_ns = time.time_ns()
    word = Sender(host="web-1", at_ns=now_ns, complete_until_ns=now_ns, pending=0, left=False)
    influx.write(b"".join([*_expectations(tmp_path / "told"), line_of(word)]), bucket)
    return influx.variables(bucket)


def _words(folder: Path) -> list[str]:
    return ["check", *PATIENT, "--from", "influxdb", "--env-file", os.devnull, "--state-dir", str(folder)]


def _events(folder: Path) -> set[bytes]:
    """Returns the event rows in the segments of a state directory, as they are sent."""
    files = [*folder.glob("ready/*.lp"), *folder.glob("slots/*/*.lp")]
    lines = {line for file in files for line in file.read_bytes().split(b"\n")}
    return {line for line in lines if line.startswith(names.EVENTS.encode())}


def _in_server(influx: InfluxServer, bucket: str) -> list[tuple[str, str, int]]:
    rows = [row for row in influx.lines(bucket) if row.measurement == names.EVENTS]
    return sorted((row.tags["job"], row.tags["event"], row.time_ns) for row in rows)


@pytest.mark.parametrize("killed", ["", "note", "close"])
def test_two_checkers_of_one_server_leave_one_row(
    influx: InfluxServer, bucket: str, server: dict[str, str], tmp_path: Path, killed: str
) -> None:
    """They share nothing else and write the same bytes, whenever one of them is killed."""
    folders = [tmp_path / "a", tmp_path / "b"]
    environ = {**os.environ, **server}
    if killed:
        done = subprocess.run([sys.executable, "-c", KILLED, killed, *_words(folders[0])], env=environ, check=False)
        assert done.returncode == -signal.SIGKILL
    with ExitStack() as stack:
        command = [*COMMAND, *_words(folders[0])], [*COMMAND, *_words(folders[1])]
        both = [stack.enter_context(subprocess.Popen(each, env=environ, stdout=subprocess.PIPE)) for each in command]
        for each in both:
            out, _ = each.communicate(timeout=300)
            assert (each.returncode, b"2 jobs" in out) == (2, True), out
    first, second = map(_events, folders)
    assert len(first) == 2
    assert first == second
    for folder in (*folders, folders[0]):
        words = [*COMMAND, "ship", "--once", "--env-file", os.devnull, "--state-dir", str(folder)]
        subprocess.run(words, env=environ, check=True, capture_output=True, timeout=300)
    expected = [("import, of ö", "missed", DUE_NS), ("nightly", "missed", DUE_NS)]
    assert _in_server(influx, bucket) == expected
    # What the server has is not written again.
    subprocess.run(command[1], env=environ, check=False, stdout=subprocess.PIPE, timeout=300)
    assert not _events(folders[1])


class _Target:
    """A command that notes what it is told, and ends when the test lets it."""

    def __init__(self, folder: Path) -> None:
        self._begun, self._end, self._log = (folder / name for name in ("begun", "end", "log"))
        os.mkfifo(self._begun)
        os.mkfifo(self._end)
        command = folder / "target"
        command.write_text(
            f'#!/bin/sh\necho "$NOTIFY_ID $NOTIFY_SUBJECT" >> {self._log}\n: > {self._begun}\nread x < {self._end}\n'
        )
        command.chmod(0o700)
        self.words = ["--notify", f"exec:{command}"]

    def wait(self) -> None:
        """Waits until the command runs."""
        self._begun.read_bytes()

    def let_end(self) -> None:
        """Lets the command end well."""
        self._end.write_text("\n")

    @property
    def told(self) -> list[str]:
        """The messages, each with its id."""
        return self._log.read_text().splitlines()


def _one_job(folder: Path) -> None:
    clock = ManualClock()
    clock.wall = DUE_NS - 1800 * NS
    limits = Expectation(schedule=f"0 {DUE_NS // (3600 * NS) % 24} * * *", timezone="UTC", grace_s=60.0)
    statement = Statement(job=JobId("nightly"), expectation=limits)
    assert ExpectedStore(folder, clock).note(Snapshot(source="file", origin="jobs.toml", statements=[statement]))


def _started(folder: Path, target: _Target) -> "subprocess.Popen[bytes]":
    words = ["check", *PATIENT, "--env-file", os.devnull, "--state-dir", str(folder), *target.words]
    return subprocess.Popen([*COMMAND, *words], env=uncovered(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _ended(folder: Path, target: _Target) -> None:
    """Runs a checker that tells nothing."""
    with _started(folder, target) as other:
        out, complaints = other.communicate(timeout=300)
    assert (other.returncode, complaints) == (2, b""), out


def test_of_two_checkers_of_one_state_directory_one_tells(state_dir: Path, tmp_path: Path) -> None:
    """The second one finds the same while the first one tells, and leaves it to that; so does a later one."""
    _one_job(state_dir)
    target = _Target(tmp_path)
    with _started(state_dir, target) as first:
        target.wait()
        _ended(state_dir, target)
        target.let_end()
        out, complaints = first.communicate(timeout=300)
    assert (first.returncode, complaints) == (2, b""), out
    _ended(state_dir, target)
    [told] = target.told
    assert told.endswith(" [CRITICAL] nightly never ran")


def test_a_killed_checker_is_followed_by_one_that_tells_the_same(state_dir: Path, tmp_path: Path) -> None:
    """Killed between intent and receipt, twice: the message comes again under the same id, then no more."""
    _one_job(state_dir)
    target = _Target(tmp_path)
    for _ in range(2):
        with _started(state_dir, target) as victim:
            target.wait()
            victim.send_signal(signal.SIGKILL)
            target.let_end()
            victim.communicate(timeout=300)
        assert victim.returncode == -signal.SIGKILL
    with _started(state_dir, target) as last:
        target.wait()
        target.let_end()
        last.communicate(timeout=300)
    _ended(state_dir, target)
    assert len(target.told) == 3
    assert len(set(target.told)) == 1
