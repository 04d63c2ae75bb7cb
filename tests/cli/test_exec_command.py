import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.exec_ import EXEC, patched, run
from tests.support.uncovered import uncovered

EVERY_BYTE = bytes(range(256)) * 1024
# What a process can see of its own open files; the number of the listing's own comes and goes.
OPEN_FILES = """
import os, sys
files = {}
for number in range(64):
    try: files[number] = os.readlink(f"/proc/self/fd/{number}")
    except OSError: pass
with open(sys.argv[1], "w") as report: print(files, file=report)
"""

# Blocked, ignored and caught signals, as the kernel tells them of a process that changes none.
DISPOSITIONS = ["grep", "^Sig[BIC]", "/proc/self/status"]


def both_ways(command: list[str], prelude: str = "") -> tuple[bytes, bytes]:
    """Returns what a command says under `exec`, and alone, after the same words to a shell."""
    said: list[bytes] = []
    for before in (EXEC, []):
        script = f"{prelude}\nexec {shlex.join([*before, *command])}"
        done = run(["sh", "-c", script], stdin=EVERY_BYTE, environment=uncovered())
        assert not done.stderr
        said.append(done.stdout)
    return said[0], said[1]


@pytest.mark.parametrize("code", [0, 1, 2, 3, 126, 255])
def test_the_exit_code_is_the_commands(code: int) -> None:
    """Whatever the command exits with, we exit with, and say nothing."""
    done = run([*EXEC, "sh", "-c", f"exit {code}"])
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def test_input_and_output_are_the_commands_own() -> None:
    """Bytes of any kind go in and come out as they are, on both ways out."""
    done = run([*EXEC, "sh", "-c", "tee /dev/stderr"], stdin=EVERY_BYTE)
    assert done.returncode == 0
    assert done.stdout == EVERY_BYTE
    assert done.stderr == EVERY_BYTE


@pytest.mark.parametrize("closed", ["", "0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_open_files_are_the_commands_own(closed: str, tmp_path: Path) -> None:
    """The command has the files that we were given, also further ones, no other, and closed ones stay closed."""
    said: list[str] = []
    (tmp_path / "held").touch()
    for before in (EXEC, []):
        report = tmp_path / "report"
        command = shlex.join([*before, sys.executable, "-c", OPEN_FILES, str(report)])
        script = f"exec 7>>{shlex.quote(str(tmp_path / 'held'))} </dev/null >/dev/null 2>&1; {command} {closed}"
        assert run(["sh", "-c", script]).returncode == 0
        said.append(report.read_text())
    assert said[0] == said[1]
    assert "held" in said[0]


@pytest.mark.parametrize(
    ("prelude", "command"),
    [
        ("", ["env", "-0"]),
        ("cd /usr; umask 027; ulimit -n 99", ["sh", "-c", "pwd; umask; ulimit -a; nice; id"]),
        ("", ["sh", "-c", "cut -d ' ' -f 5-8 /proc/$$/stat"]),
        ("trap '' INT HUP USR1", ["sh", "-c", "trap 'echo INT' INT; kill -INT $$; kill -USR1 $$; echo on"]),
        ("", ["sh", "-c", "(kill -PIPE $(exec sh -c 'echo $PPID'); echo on); echo $?"]),
        ("trap '' PIPE XFSZ CHLD INT QUIT", DISPOSITIONS),
        ("", DISPOSITIONS),
        ("trap '' PIPE", DISPOSITIONS),
    ],
    ids=["environment", "limits", "group", "ignored", "pipe", "background", "plain", "service"],
)
def test_the_command_finds_what_it_would_find_without_us(prelude: str, command: list[str]) -> None:
    """Environment, folder, umask, limits, process group, session and ignored signals are as without us."""
    measured, alone = both_ways(command, prelude)
    assert measured == alone
    assert measured


def test_crons_empty_environment_stays_empty() -> None:
    """Under the C locale, where Python adds a variable to its environment, the command gets none."""
    command = ["env", "-i", "A=\udcff", "=nameless", *EXEC, "/usr/bin/env"]
    assert run(command).stdout == b"A=\xff\n"


def test_without_proc_the_environment_is_what_python_says() -> None:
    """Where the system doesn't show our first environment, the command gets the one of Python."""
    hidden = "import pathlib\ndef broken(self): raise PermissionError(13, 'x')\npathlib.Path.read_bytes = broken"
    done = run([*patched(hidden), "printenv", "A"], environment=os.environ | {"A": "\udcff"})
    assert done.stdout == b"\xff\n"


def test_signals_are_blocked_in_the_command_as_they_were_for_us() -> None:
    """The signals that we hold back are not blocked in the command; those that were blocked before are."""
    blocked = f"import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [{signal.SIGUSR2:d}]);"
    done = run(
        [sys.executable, "-c", f"{blocked} os.execv(sys.argv[1], sys.argv[1:])", *EXEC, "cat", "/proc/self/status"]
    )
    assert f"SigBlk:\t{1 << signal.SIGUSR2 - 1:016x}\n".encode() in done.stdout


@pytest.mark.parametrize(
    ("make", "command", "code", "words"),
    [
        ("", "no-such-command", 127, "no-such-command: No such file or directory"),
        ("", "", 127, ": No such file or directory"),
        ("", "./nothing", 127, "./nothing: No such file or directory"),
        ("mkdir there", "./there", 126, "./there: Permission denied"),
        ("mkdir bin/there", "there", 127, "there: No such file or directory"),
        ("echo true > script", "./script", 126, "./script: Permission denied"),
        ("echo true > bin/denied", "denied", 126, "denied: Permission denied"),
        ("touch file", "./file/inside", 126, "./file/inside: Not a directory"),
        (
            "echo '#!/no/such/shell' > script; chmod +x script",
            "./script",
            127,
            "./script: No such file or directory",
        ),
        (
            "printf '\\0\\1' > binary; chmod +x binary",
            "./binary",
            126,
            "./binary: Exec format error",
        ),
    ],
)
def test_a_command_that_cannot_run_has_a_shells_exit_code(
    make: str, command: str, code: int, words: str, tmp_path: Path
) -> None:
    """A missing command is 127, one that cannot be run 126; one line says why."""
    run(["sh", "-c", f"mkdir bin; {make}"], cwd=tmp_path)
    environment = os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    done = run([*EXEC, command], cwd=tmp_path, environment=environment)
    assert (done.returncode, done.stderr.decode()) == (code, f"otel-job-measure: {words}\n")
    assert (
        subprocess.run(
            ["bash", "-c", f"'{command}'"], cwd=tmp_path, env=environment, check=False, capture_output=True
        ).returncode
        == code
    )


@pytest.mark.parametrize("name", ["./plain-script", "plain-script"])
def test_a_script_without_a_first_line_runs(name: str, tmp_path: Path) -> None:
    """A script without `#!` is run by a shell, as a shell would."""
    run(["sh", "-c", 'echo \'printf "%s|" "$@"; exit 4\' > plain-script; chmod +x plain-script'], cwd=tmp_path)
    done = run([*EXEC, name, "a b", ""], cwd=tmp_path, environment=os.environ | {"PATH": f"/bin:{tmp_path}"})
    assert (done.returncode, done.stdout, done.stderr) == (4, b"a b||", b"")


@pytest.mark.parametrize("path", [None, ":/nothing", "denied:"])
def test_a_command_is_searched_for_where_a_shell_searches(path: str | None, tmp_path: Path) -> None:
    """Without PATH in the usual places; an empty entry is the folder; what can't be run is passed over."""
    run(["sh", "-c", "mkdir denied; touch denied/true; echo true > true; chmod +x true"], cwd=tmp_path)
    environment = {} if path is None else {"PATH": path}
    assert run([*EXEC, "true"], environment=environment, cwd=tmp_path).returncode == 0
