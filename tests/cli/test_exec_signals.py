import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.exec_ import EXEC, LISTEN, Terminal, line, run, running

FORWARDED = ["HUP", "INT", "QUIT", "TERM", "USR1", "ALRM", "WINCH", "ABRT", "RTMIN"]


@pytest.fixture
def terminal() -> Iterator[Callable[[Sequence[str]], Terminal]]:
    """Opens terminals, and closes them at the end."""
    opened: list[Terminal] = []

    def open_one(command: Sequence[str]) -> Terminal:
        opened.append(Terminal(command))
        return opened[-1]

    yield open_one
    for one in opened:
        one.hang_up()
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def signals_until_the_end(file: Iterator[str]) -> list[int]:
    """Returns the signals that the listening command still tells."""
    return [int(text) for text in file]


def status_of(pid: int) -> dict[str, str]:
    """Returns what the kernel says of a process."""
    pairs = (text.partition(":") for text in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.strip() for name, _, value in pairs}


@pytest.mark.parametrize("name", FORWARDED)
def test_a_signal_reaches_the_command_once(name: str) -> None:
    """A signal that is sent to us is the command's, once, and the command decides what it means."""
    number = getattr(signal, f"SIG{name}")
    with running([*EXEC, *LISTEN]) as process:
        assert line(process.stdout) == "ready"
        process.send_signal(number)
        assert line(process.stdout) == str(int(number))
        process.send_signal(signal.SIGUSR2)
        assert process.stdout is not None
        assert signals_until_the_end(process.stdout) == []
    assert process.returncode == 7


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "KILL", "SEGV", "ABRT", "USR1", "PIPE"])
def test_we_die_as_the_command_died(name: str, tmp_path: Path) -> None:
    """Our parent sees the very signal that killed the command, and no second core dump."""
    number = getattr(signal, f"SIG{name}")
    script = f'ulimit -c unlimited; cd {tmp_path}; exec "$@"'
    done = run(["sh", "-c", script, "sh", *EXEC, "sh", "-c", f"ulimit -S -c 0; kill -{name} $$"])
    assert (done.returncode, done.stdout, done.stderr) == (-number, b"", b"")
    assert list(tmp_path.glob("*core*")) == []


def test_a_command_that_does_nothing_about_a_signal_dies_of_it() -> None:
    """`kill` ends the command, then us."""
    with running([*EXEC, "sh", "-c", "echo ready; exec sleep 60"]) as process:
        assert line(process.stdout) == "ready"
        process.terminate()
    assert process.returncode == -signal.SIGTERM


def test_a_signal_that_comes_before_the_command_waits_for_it() -> None:
    """A signal that is pending when we begin reaches the command as soon as it is there."""
    pending = (
        "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP]);"
        "os.kill(os.getpid(), signal.SIGHUP); os.execv(sys.argv[1], sys.argv[1:])"
    )
    with running([sys.executable, "-c", pending, *EXEC, *LISTEN]) as process:
        assert {line(process.stdout), line(process.stdout)} == {"ready", str(int(signal.SIGHUP))}
        process.send_signal(signal.SIGUSR2)
    assert process.returncode == 7


def test_an_alarm_that_our_parent_set_is_the_commands() -> None:
    """`alarm` and `exec`, the old way to limit a command's time, still limits it."""
    alarm = "import os, signal, sys; signal.setitimer(signal.ITIMER_REAL, 0.5); os.execv(sys.argv[1], sys.argv[1:])"
    done = run([sys.executable, "-c", alarm, *EXEC, "sleep", "60"])
    assert done.returncode == -signal.SIGALRM


def test_what_the_command_sends_to_its_parent_does_not_come_back() -> None:
    """A command that signals its parent neither kills us nor gets its own signal."""
    done = run([*EXEC, "sh", "-c", "trap 'echo back' USR1; kill -USR1 $PPID; sh -c 'exit 0'; echo on; exit 5"])
    assert (done.returncode, done.stdout) == (5, b"on\n")


def test_ignored_children_cost_no_exit_code() -> None:
    """If the parent ignores SIGCHLD, the system forgets exit codes, and `exec` still has the command's."""
    assert run(["sh", "-c", 'trap "" CHLD; exec "$@"', "sh", *EXEC, "sh", "-c", "exit 6"]).returncode == 6


def test_children_of_another_are_not_the_command() -> None:
    """A process that our predecessor left us, and that ends first, is not taken for the command."""
    done = run(["sh", "-c", 'sh -c "exit 9" & exec "$@"', "sh", *EXEC, "sh", "-c", "sleep 0.3; exit 6"])
    assert done.returncode == 6


def test_a_command_that_is_stopped_by_its_number_does_not_stop_us() -> None:
    """Without a terminal no shell would continue us; the command alone is stopped and goes on."""
    stop = "import os, signal; print(os.getpid(), flush=True); input(); os.kill(os.getpid(), signal.SIGSTOP)"
    with running([*EXEC, sys.executable, "-c", stop]) as process:
        command = int(line(process.stdout))
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        while status_of(command)["State"] != "T (stopped)":
            pass
        assert status_of(process.pid)["State"] != "T (stopped)"
        os.kill(command, signal.SIGCONT)
    assert process.returncode == 0


def test_ctrl_c_reaches_the_command_once(terminal: Callable[[Sequence[str]], Terminal]) -> None:
    """A terminal sends Ctrl-C to both of us; the command sees one SIGINT, and goes on if it likes."""
    screen = terminal([*EXEC, *LISTEN])
    screen.until(b"ready\r\n")
    for keys, number in ((b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)):
        screen.press(keys)
        screen.until(f"{int(number)}\r\n".encode())
        screen.process.send_signal(signal.SIGUSR1)  # what comes after another SIGINT would come after it
        assert screen.until(f"{int(signal.SIGUSR1)}\r\n".encode()) == b""
    screen.process.send_signal(signal.SIGUSR2)
    assert screen.process.wait() == 7


def test_ctrl_c_ends_what_it_ends(terminal: Callable[[Sequence[str]], Terminal]) -> None:
    """A command that dies of Ctrl-C takes us with it, by the same signal."""
    screen = terminal([*EXEC, "sh", "-c", "echo ready; exec sleep 60"])
    screen.until(b"ready\r\n")
    screen.press(b"\x03")
    assert screen.process.wait() == -signal.SIGINT


def test_a_terminal_that_goes_away_is_told_to_the_command(terminal: Callable[[Sequence[str]], Terminal]) -> None:
    """The kernel tells only the leader of the session, which would be the command without us."""
    screen = terminal([*EXEC, "sh", "-c", "echo ready; exec sleep 60"])
    screen.until(b"ready\r\n")
    screen.hang_up()
    assert screen.process.wait() == -signal.SIGHUP


def test_ctrl_z_stops_the_job_and_fg_goes_on(terminal: Callable[[Sequence[str]], Terminal]) -> None:
    """The terminal stops the command and its wrapper; the shell continues both, and the command sees one SIGCONT."""
    shell = 'set -m; "$@"; echo "stopped: $?"; jobs -p; fg >/dev/null; echo "ended: $?"'
    screen = terminal(["bash", "-c", shell, "bash", *EXEC, *LISTEN])
    screen.until(b"ready\r\n")
    screen.press(b"\x1a")
    screen.until(b"stopped: 148\r\n")
    pid = int(screen.until(b"\r\n"))
    screen.until(f"{int(signal.SIGCONT)}\r\n".encode())
    os.kill(pid, signal.SIGUSR2)
    assert screen.until(b"ended: 7\r\n") == b""
