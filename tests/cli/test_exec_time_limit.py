"""`exec --timeout`, with the exit codes of GNU timeout."""

import os
import signal
from pathlib import Path

import pytest

from otel_job_measure.cli.exec.time_limit import TimeLimit
from tests.support.exec_ import COMMAND, line, points, run, running

STOPPED = "echo ready; kill -STOP $$; sleep 60"
WRONG = {"OTEL_JOB_MEASURE_SHIP": "maybe"}
OFF = {"OTEL_JOB_MEASURE_DISABLED": "true"}


def limited(*words: str) -> list[str]:
    """Returns `exec` with options."""
    return [*COMMAND, "exec", *words, "job", "--"]


@pytest.mark.parametrize(
    ("command", "options", "code"),
    [
        (["sleep", "60"], ["--timeout", "0.2"], 124),
        (["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"], ["--timeout=200ms"], 124),
        (["sh", "-c", STOPPED], ["--timeout", ".2s"], 124),
    ],
    ids=["sleeps", "exits with 0", "is stopped"],
)
def test_a_command_ends_at_its_limit(command: list[str], options: list[str], code: int, state_dir: Path) -> None:
    """Whatever the command makes of SIGTERM, the run has failed, reason `timeout`; exit codes are GNU timeout's."""
    assert run([*limited(*options), *command]).returncode == code
    assert_is_timeout(state_dir)


def test_a_command_that_ignores_sigterm_is_killed(state_dir: Path) -> None:
    """Its exit code is GNU timeout's too; it ignores SIGTERM from its first moment, as our parent does."""
    words = [*limited("--timeout", "0.2", "--kill-after", "0.2s"), "sleep", "60"]
    assert run(["sh", "-c", "trap '' TERM; exec \"$@\"", "sh", *words]).returncode == 137
    assert_is_timeout(state_dir)


def assert_is_timeout(state_dir: Path) -> None:
    """Asserts that the only run failed because of its limit."""
    [row] = [point for point in points(state_dir) if point.measurement == "scheduling-job-run"]
    assert (row.tags["status"], row.tags["reason"]) == ("failed", "timeout")
    assert (row.fields["error_type"], row.fields["success"]) == ("time limit", 0.0)


@pytest.mark.parametrize("options", [["--timeout", "1h"], ["--timeout", "0"], ["--timeout=1d", "--kill-after=0"], []])
def test_a_command_within_its_limit_is_as_without_one(options: list[str], state_dir: Path) -> None:
    """Its exit code and reason are its own; 0 is no limit."""
    assert run([*limited(*options), "sh", "-c", "exit 5"]).returncode == 5
    assert [point.tags.get("reason") for point in points(state_dir)].count("exit") == 1


@pytest.mark.parametrize("variables", [WRONG, OFF], ids=["wrong settings", "disabled"])
def test_the_limit_holds_without_a_measurement(variables: dict[str, str], state_dir: Path) -> None:
    """A command that cannot be measured, or should not be, is ended all the same; within its limit its code is kept."""
    environment = os.environ | variables
    assert run([*limited("--timeout", "0.2"), "sleep", "60"], environment=environment).returncode == 124
    assert run([*limited("--timeout", "1h"), "sh", "-c", "exit 5"], environment=environment).returncode == 5
    killed = run([*limited("--timeout", "1h"), "sh", "-c", "kill -TERM $$"], environment=environment)
    assert killed.returncode == -signal.SIGTERM
    assert not state_dir.exists()


def test_a_signal_before_the_limit_is_a_signal(state_dir: Path) -> None:
    """A command that another process ends has the reason `signal`."""
    with running([*limited("--timeout", "1h"), "sh", "-c", "echo ready; exec sleep 60"]) as process:
        assert line(process.stdout) == "ready"
        process.terminate()
    assert process.returncode == -signal.SIGTERM
    assert [point.tags.get("reason") for point in points(state_dir)].count("signal") == 1


def test_the_limit_leaves_the_group_alone() -> None:
    """The script that runs `exec` is in the same process group, and goes on."""
    done = run(["sh", "-c", '"$@"; echo "script: $?"', "sh", *limited("--timeout", "0.2"), "sleep", "60"])
    assert done.stdout == b"script: 124\n"


@pytest.mark.parametrize("text", ["", "soon", "-1", "1 hour", "inf", "nan", "1e3", "367d", "1h30m"])
@pytest.mark.parametrize("option", ["--timeout", "--kill-after"])
def test_a_wrong_time_is_wrong_usage(option: str, text: str, state_dir: Path) -> None:
    """The message names the option, what it got and what it takes; nothing is run."""
    done = run([*limited(f"{option}={text}"), "true"])
    assert done.returncode == 2
    assert f"argument {option}: {text!r} is not a time; it takes" in done.stderr.decode()
    assert not state_dir.exists()


def test_what_is_due_when() -> None:
    """By a clock in the test's hand: SIGTERM and SIGCONT at the limit, once, then SIGKILL, once."""
    now = 0.0
    limit = TimeLimit(60, 10, lambda: now)
    assert (limit.wait_s(10), limit.due(), limit.is_exceeded) == (10, (), False)
    now = 55.0
    assert limit.wait_s(10) == 5
    now = 61.0
    assert (limit.wait_s(10), limit.due(), limit.is_exceeded) == (0, (signal.SIGTERM, signal.SIGCONT), True)
    assert (limit.wait_s(99), limit.due()) == (10, ())
    now = 80.0
    assert limit.due() == (signal.SIGKILL,)
    assert (limit.wait_s(10), limit.due()) == (10, ())


def test_no_limit_is_never_due() -> None:
    """A limit of 0 does nothing."""
    limit = TimeLimit(0, 5, lambda: 1e9)
    assert (limit.wait_s(10), limit.due(), limit.is_exceeded) == (10, (), False)
