"""`exec --schedule` and the other limits: read while the command runs, and kept for the checker."""

import os
from pathlib import Path

import pytest

from otel_job_measure.cli.exec.command import _LIMITS
from otel_job_measure.expectations.expectation import Expectation, ExpectedJob
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.names import LIMITS
from tests.support.exec_ import COMMAND, run, running

NIGHTLY = [*COMMAND, "exec", "--schedule", "5 2 * * *", "--timezone", "Europe/Riga"]


def jobs(state_dir: Path) -> list[ExpectedJob]:
    """Returns what is noted."""
    return ExpectedStore(state_dir).jobs()


def test_each_limit_has_an_option() -> None:
    """And no other name."""
    assert sorted(limit for limit, _, _ in _LIMITS) == sorted(LIMITS)


def test_options_say_what_should_happen(state_dir: Path) -> None:
    """A command counts on its host alone, unless it says otherwise."""
    done = run([*NIGHTLY, "--grace", "30m", "--max-runtime=1h", "--failures", "3", "backup", "--", "true"])
    assert (done.returncode, done.stderr) == (0, b"")
    (job,) = jobs(state_dir)
    host = os.uname().nodename
    assert (job.job.job, job.source, job.origin, job.host) == ("backup", "exec", "backup ()", host)
    assert job.expectation == Expectation(
        schedule="5 2 * * *", timezone="Europe/Riga", grace_s=1800, max_runtime_s=3600, failures=3, scope="host"
    )
    run([*NIGHTLY, "--scope", "any", "other", "--", "true"])
    assert [(job.job.job, job.host) for job in jobs(state_dir)] == [("backup", host), ("other", None)]


def test_a_pod_is_no_host(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one has another name, and this one is not expected again."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    run([*NIGHTLY, "backup", "--", "true"])
    assert [(job.host, job.expectation.scope) for job in jobs(state_dir)] == [(None, "any")]


def test_it_is_known_while_the_command_runs(state_dir: Path) -> None:
    """A first run may last for hours."""
    with running([*NIGHTLY, "backup", "--", "cat"]) as process:
        while not jobs(state_dir):
            assert process.poll() is None
            os.sched_yield()
        assert process.stdin is not None
        process.stdin.close()


def test_a_wrong_limit_is_said_once_and_the_command_runs(state_dir: Path) -> None:
    """Cron would send a mail for each run."""
    words = [*COMMAND, "exec", "--schedule", "5 2 * *", "--max-runtime", "1h", "backup", "--", "sh", "-c", "exit 3"]
    first, second = run(words), run(words)
    assert (first.returncode, second.returncode, second.stderr) == (3, 3, b"")
    assert first.stderr.count(b"\n") == 1
    assert b"--schedule='5 2 * *'" in first.stderr
    assert [job.expectation for job in jobs(state_dir)] == [Expectation(max_runtime_s=3600, scope="host")]
    nothing_right = [*COMMAND, "exec", "--every", "often", "other", "--", "true"]
    assert [run(nothing_right).stderr.count(b"\n") for _ in range(2)] == [1, 0]


def test_a_changed_line_of_the_crontab_is_a_version(state_dir: Path) -> None:
    """One without limits any more ends what was expected."""
    run([*NIGHTLY, "backup", "--", "true"])
    run([*COMMAND, "exec", "--every", "1h", "backup", "--", "true"])
    run([*COMMAND, "exec", "backup", "--", "true"])
    (job,) = jobs(state_dir)
    assert [version.expectation for version in job.versions] == [
        Expectation(schedule="5 2 * * *", timezone="Europe/Riga", scope="host"),
        Expectation(every_s=3600, scope="host"),
        Expectation(scope="host"),
    ]


def test_the_same_words_again_write_nothing(state_dir: Path) -> None:
    """Each line of a crontab looks at one file."""
    run([*NIGHTLY, "backup", "--", "true"])
    (path,) = (state_dir / "expected").glob("*.json")
    before = path.stat()
    run([*NIGHTLY, "backup", "--", "true"])
    assert path.stat().st_ino == before.st_ino


def test_without_limits_nothing_is_made(state_dir: Path) -> None:
    """Most commands have none."""
    run([*COMMAND, "exec", "backup", "--", "true"])
    assert not (state_dir / "expected").exists()


def test_a_folder_that_cannot_be_written_is_said_and_no_more(state_dir: Path) -> None:
    """The exit code is the command's."""
    run([*COMMAND, "exec", "backup", "--", "true"])
    (state_dir / "expected").write_text("")
    done = run([*NIGHTLY, "backup", "--", "sh", "-c", "exit 3"])
    assert done.returncode == 3
    assert b"what should happen is not kept" in done.stderr
