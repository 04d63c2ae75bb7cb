"""A signal reaches the command once, whether it was sent to the wrapper, to its process group or to each process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.exec_ import EXEC, LISTEN, PATIENT, line, run, running

OFTEN = 25


def until_it_is_dealt_with(wrapper: int) -> None:
    """Waits until the wrapper has looked at what came: the kernel merges a signal with one that still waits there."""
    waits = ""
    while waits != "0" * 16:
        waits = Path(f"/proc/{wrapper}/status").read_text().partition("ShdPnd:\t")[2][:16]


def test_a_signal_to_the_group_reaches_the_command_once() -> None:
    """Whether to the whole group or to the wrapper alone: the command gets each signal once, time after time."""
    with running([*PATIENT, *LISTEN]) as process:
        assert line(process.stdout) == "ready"
        for turn in range(OFTEN):
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGRTMIN + 2):
                (os.killpg if turn % 2 else os.kill)(process.pid, number)
                assert line(process.stdout) == str(int(number))
                until_it_is_dealt_with(process.pid)
                os.kill(process.pid, signal.SIGALRM)  # what is dealt with before it is settled
                assert line(process.stdout) == str(int(signal.SIGALRM))
        # What came twice would be told before this one.
        os.kill(process.pid, signal.SIGALRM)
        assert line(process.stdout) == str(int(signal.SIGALRM))
        os.kill(process.pid, signal.SIGUSR2)
    assert process.returncode == 7


@pytest.mark.parametrize("turn", range(5))
def test_two_signals_in_a_row_are_at_most_two(turn: int) -> None:
    """The same signal twice to the group merges, or is two signals, as without the wrapper; never three."""
    del turn
    with running([*PATIENT, *LISTEN]) as process:
        assert line(process.stdout) == "ready"
        for _ in range(10):
            os.killpg(process.pid, signal.SIGTERM)
            os.killpg(process.pid, signal.SIGTERM)
        os.killpg(process.pid, signal.SIGRTMIN + 1)
        os.killpg(process.pid, signal.SIGRTMIN + 1)
        told: list[str] = []
        while told.count(str(signal.SIGRTMIN + 1)) < 2:
            told.append(line(process.stdout))
        assert 1 <= told.count(str(int(signal.SIGTERM))) <= 20
        os.kill(process.pid, signal.SIGUSR2)
        assert process.stdout is not None
        assert process.stdout.read() == ""


def test_gnu_timeout_signals_the_command_once() -> None:
    """GNU timeout signals its child and then its group; the command sees one SIGTERM."""
    with running(["timeout", "600", *PATIENT, *LISTEN]) as timeout:
        assert line(timeout.stdout) == "ready"
        timeout.send_signal(signal.SIGALRM)  # its own timer's, as soon as the command is there
        assert line(timeout.stdout) == str(int(signal.SIGTERM))
        wrapper = int(Path(f"/proc/{timeout.pid}/task/{timeout.pid}/children").read_text())
        until_it_is_dealt_with(wrapper)
        os.kill(wrapper, signal.SIGALRM)  # a SIGTERM that came twice would be told before this one
        # It sends SIGCONT to the group too, in case the command is stopped.
        told = {line(timeout.stdout), line(timeout.stdout)}
        assert told == {str(int(signal.SIGALRM)), str(int(signal.SIGCONT))}
        os.kill(wrapper, signal.SIGUSR2)
        assert timeout.stdout is not None
        assert timeout.stdout.read() == ""
    assert timeout.returncode == 124


def test_a_command_of_another_group_gets_the_signals_of_the_group() -> None:
    """Without the wrapper it would have the number that `timeout` and others signal."""
    done = run(["timeout", "1", *EXEC, "setsid", "sleep", "60"])
    assert done.returncode == 124


def test_what_the_command_sends_to_its_group_does_not_come_back() -> None:
    """`kill 0` of the command or of its child reaches the command once, and the wrapper is not harmed."""
    count = (
        "import os, signal, subprocess, time\nn = []\nsignal.signal(10, lambda *a: n.append(1))\n"
        "{send}\ntime.sleep(0.3)\nprint(len(n))"
    )
    for send in ("os.kill(0, 10)", "subprocess.run(['sh', '-c', 'trap \"\" USR1; kill -USR1 0'])"):
        with running([*PATIENT, sys.executable, "-S", "-c", count.format(send=send)]) as process:
            assert line(process.stdout) == "1"
        assert process.returncode == 0


def sentinel_of(wrapper: int) -> int:
    """Returns the wrapper's sentinel."""
    while True:
        for child in Path(f"/proc/{wrapper}/task/{wrapper}/children").read_text().split():
            if Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"signal-sentinel"):
                return int(child)


def command_of(wrapper: int) -> int:
    """Returns the wrapper's command."""
    [command] = {*Path(f"/proc/{wrapper}/task/{wrapper}/children").read_text().split()} - {str(sentinel_of(wrapper))}
    return int(command)


MANAGED = {"INVOCATION_ID": "x", "MANAGERPID": str(os.getpid())}


def test_a_service_manager_signals_each_process_in_turn() -> None:
    """Systemd sends to each process of a unit, the wrapper first; the command has its own signal, and no second one."""
    environment = os.environ | MANAGED
    with running([*PATIENT, *LISTEN], environment=environment) as process:
        assert line(process.stdout) == "ready"
        others = [command_of(process.pid), sentinel_of(process.pid)]
        for _ in range(OFTEN):
            for pid in (process.pid, *others):
                os.kill(pid, signal.SIGTERM)
            assert line(process.stdout) == str(int(signal.SIGTERM))
            until_it_is_dealt_with(process.pid)
            # Of another sender: it is passed on at once, and what came twice would be told before.
            subprocess.run(["sh", "-c", f"kill -ALRM {process.pid}"], check=True)
            assert line(process.stdout) == str(int(signal.SIGALRM))
        os.kill(others[0], signal.SIGUSR2)
    assert process.returncode == 7


def test_a_service_manager_may_signal_the_main_process_alone() -> None:
    """As with `KillMode=mixed`: the signal is passed on when no other has come to the sentinel for a moment."""
    with running([*EXEC, *LISTEN], environment=os.environ | MANAGED) as process:
        assert line(process.stdout) == "ready"
        os.kill(process.pid, signal.SIGHUP)
        assert line(process.stdout) == str(int(signal.SIGHUP))
        os.kill(process.pid, signal.SIGUSR2)
    assert process.returncode == 7


def test_pkill_of_the_wrapper_reaches_the_command(tmp_path: Path) -> None:
    """`pkill -f` of words of the wrapper's command line does not match the sentinel: the signal is passed on."""
    mark = str(tmp_path / "mark")
    with running([*EXEC[:-2], mark, *EXEC[-1:], *LISTEN]) as process:
        assert line(process.stdout) == "ready"
        for _ in range(OFTEN):
            found = subprocess.run(["pgrep", "-f", mark], capture_output=True, check=True, text=True).stdout.split()
            assert found == [str(process.pid)]
            os.kill(process.pid, signal.SIGTERM)
            assert line(process.stdout) == str(int(signal.SIGTERM))
        os.kill(process.pid, signal.SIGUSR2)


def test_the_sentinel_holds_no_file_and_ends_with_the_wrapper() -> None:
    """It has two pipes of its own; it is gone when the wrapper is, killed or not."""
    with running([*EXEC, "sh", "-c", "echo ready; read line"]) as process:
        assert line(process.stdout) == "ready"
        pid = sentinel_of(process.pid)
        files = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
        assert {name.partition(":")[0] for name in files} == {"pipe"}
        assert len(files) == 2
        process.kill()
        process.wait()
        while Path(f"/proc/{pid}/fd").exists():
            try:
                if Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z":
                    break
            except OSError:
                break


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_signals_go_on_without_the_sentinel(how: signal.Signals) -> None:
    """If another process ends or stops the sentinel, signals to the wrapper are passed on all the same."""
    with running([*EXEC, *LISTEN]) as process:
        assert line(process.stdout) == "ready"
        os.kill(sentinel_of(process.pid), how)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
            os.kill(process.pid, number)
            assert line(process.stdout) == str(int(number))
        os.kill(process.pid, signal.SIGUSR2)
    assert process.returncode == 7


BLOCKED = "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [10]); os.execv(sys.argv[1], sys.argv[1:])"


@pytest.mark.parametrize("turns", range(0, 60_000, 4_000))
def test_a_signal_to_the_group_while_the_command_starts_is_not_lost(turns: int) -> None:
    """At whatever moment of the start it comes, a command that inherited it blocked finds it pending, once."""
    with running([sys.executable, "-S", "-c", BLOCKED, *EXEC, *LISTEN]) as process:
        while "SigBlk:\t0000000000000200" not in Path(f"/proc/{process.pid}/status").read_text():
            pass
        for _ in range(turns):
            os.sched_yield()
        os.killpg(process.pid, signal.SIGUSR1)
        assert {line(process.stdout), line(process.stdout)} == {"ready", str(int(signal.SIGUSR1))}
        os.kill(process.pid, signal.SIGUSR2)
        assert process.stdout is not None
        assert process.stdout.read() == ""
