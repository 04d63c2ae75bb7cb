"""A wrapper that SIGKILL ends: what becomes of its command, and of the run."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.support.exec_ import COMMAND, EXEC, line, points, run, running

KEEP = [*COMMAND, "exec", "--keep-running", "job", "--"]
READY = ["sh", "-c", "echo ready; read line; echo $line"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS])
def test_the_command_ends_with_its_wrapper(number: signal.Signals, state_dir: Path) -> None:
    """If a signal that nothing holds ends the wrapper, the command is killed; the next process ends the run as lost."""
    with running([*EXEC, *READY]) as process:
        assert line(process.stdout) == "ready"
        process.send_signal(number)
        assert process.wait() == -number
        assert line(process.stdout) == ""  # the end of its output, of which only the command had the other end
    assert [point.fields["status"] for point in points(state_dir)] == ["start"]
    assert run([*EXEC, "true"]).returncode == 0
    assert [point.tags.get("reason") for point in points(state_dir)].count("lost") == 1


def test_timeout_with_kill_ends_the_command() -> None:
    """GNU timeout kills only the wrapper, and no command is left that holds the output."""
    done = run(["timeout", "-s", "KILL", "--foreground", "1", *EXEC, "sleep", "60"])
    assert done.returncode == 128 + signal.SIGKILL
    assert done.stdout == b""  # `run` waits until no process has the output


def test_a_command_can_outlive_its_wrapper(state_dir: Path) -> None:
    """With --keep-running SIGKILL takes the wrapper alone; the journal has the start, for the next process to end."""
    with running([*KEEP, *READY]) as process:
        assert line(process.stdout) == "ready"
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert process.stdin is not None
        process.stdin.write("still here\n")
        process.stdin.flush()
        assert line(process.stdout) == "still here"
    assert [point.fields["status"] for point in points(state_dir)] == ["start"]


def test_children_of_the_command_are_not_promised() -> None:
    """Only the command itself is killed, as docs/reliability.md says; a child of it goes on."""
    code = "exec 3<&0; (echo ready; read line; echo $line) <&3 & wait"
    with running([*EXEC, "sh", "-c", code]) as process:
        assert line(process.stdout) == "ready"
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.write("still here\n")
        process.stdin.flush()
        assert line(process.stdout) == "still here"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
def test_a_set_id_command_is_not_promised(tmp_path: Path) -> None:
    """The kernel forgets a parent's death at a set-id program, as docs/reliability.md says: it goes on."""
    program = Path(shutil.copy2(shutil.which("cat") or "", tmp_path / "cat"))
    shutil.chown(program, 65534)
    program.chmod(0o4755)
    with running([*EXEC, str(program)]) as process:
        assert process.stdin is not None
        process.stdin.write("before\n")
        process.stdin.flush()
        assert line(process.stdout) == "before"
        process.kill()
        process.wait()
        process.stdin.write("after\n")
        process.stdin.flush()
        assert line(process.stdout) == "after"


def test_a_wrapper_that_ends_well_kills_nothing() -> None:
    """What the command leaves behind in the background goes on after both are gone."""
    done = run([*EXEC, "sh", "-c", "(read line < /dev/null; sleep 0.2; echo later) & exit 4"])
    assert (done.returncode, done.stdout) == (4, b"later\n")
