"""The words of the command line of `exec`."""

from pathlib import Path

import pytest

from tests.support.exec_ import COMMAND, run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["", "true"], "a job's name can't be empty"),
        ([" ", "--", "true"], "a job's name can't be empty"),
        (["job"], "there is no command after the job's name"),
        (["job", "--"], "there is no command after the job's name"),
        (["job", "--env-file", "x", "true"], "--env-file is not a command"),
        (["--env", "x", "job", "true"], "unrecognized arguments: --env"),
        ([], "the following arguments are required: NAME"),
        (["--env-file=x", "--", "echo", "hello"], "there is no job's name before `--`"),
        (["--env-file", "--", "echo", "hello"], "expected one argument"),
        (["-x", "--", "echo", "hello"], "unrecognized arguments: -x"),
        (["--", "echo", "hello"], "there is no job's name before `--`"),
    ],
)
def test_wrong_usage_is_told_and_runs_nothing(arguments: list[str], words: str, state_dir: Path) -> None:
    """Wrong usage is 2, with a line that says what is wrong."""
    done = run([*COMMAND, "exec", *arguments])
    assert done.returncode == 2
    assert words in done.stderr.decode()
    assert not state_dir.exists()


@pytest.mark.parametrize("before", [["--"], []])
def test_options_of_the_command_are_its_own(before: list[str]) -> None:
    """With or without `--`, all that stands after the command's name is the command's."""
    command = ["printf", "%s|", "-h", "--env-file", "x", "--", "-", "\udcff", ""]
    done = run([*COMMAND, "exec", "job", *before, *command])
    assert (done.returncode, done.stdout) == (0, b"-h|--env-file|x|--|-|\xff||")
