"""`exec --keep-output` keeps the end of a failed command's output; neither the command nor its readers notice."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_job_measure.cli import main
from otel_job_measure.journal import slots
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings
from tests.delivery.support import TinyServer
from tests.runtime.support import variables
from tests.support.exec_ import COMMAND, Terminal, run

pytestmark = pytest.mark.usefixtures("long_ends")

KEEP = [*COMMAND, "exec", "--keep-output", "4k", "job", "--"]
BOTH = ["sh", "-c", "echo out; echo err >&2; exit 3"]


def kept(**settings: object) -> dict[str, bytes]:
    """Returns what the history has of the only run's output."""
    history, behind = up_to_date(Settings.from_env(**settings))  # type: ignore[arg-type]
    assert not behind.points
    (found,) = history.latest(limit=9)
    return dict(history.output(found.uuid))


@pytest.fixture
def server() -> Iterator[TinyServer]:
    """A server that takes everything."""
    tiny = TinyServer()
    yield tiny
    tiny.close()


def test_the_end_of_both_streams_of_a_failed_command_is_kept() -> None:
    """Each stream arrives as the command wrote it, and the history has its end."""
    done = run([*KEEP, *BOTH])
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert kept() == {"stdout": b"out\n", "stderr": b"err\n"}


@pytest.mark.parametrize(
    "command", [["sh", "-c", "echo out; echo err >&2"], ["sh", "-c", "exit 3"], ["no-such-command"]]
)
def test_nothing_is_kept_of_a_command_that_ends_well_or_says_nothing(command: list[str]) -> None:
    """The output of a run without a failure is on its way, and nowhere else."""
    run([*KEEP, *command])
    assert kept() == {}


def test_a_command_that_a_signal_ends_has_failed_too() -> None:
    """What it said before is kept."""
    assert run([*KEEP, "sh", "-c", "echo out; kill -9 $$"]).returncode == -9
    assert kept() == {"stdout": b"out\n"}


@pytest.mark.parametrize(("size", "count"), [("1", 1), ("100", 100), ("1k", 1024), ("64KiB", 65536), ("65536b", 65536)])
@pytest.mark.parametrize("to", ["a pipe", "a file", "/dev/null"])
def test_so_much_is_kept_and_everything_arrives(tmp_path: Path, size: str, count: int, to: str) -> None:
    """Bytes of any kind arrive in their order, however many; the last ones are kept."""
    script = "import os; data = os.urandom(300_000) + bytes(range(256))\nopen('copy', 'wb').write(data)\n"
    script += "while data: data = data[os.write(1, data[:7777]):]\nraise SystemExit(1)"
    command = [*COMMAND, "exec", "--keep-output", size, "job", "--", sys.executable, "-c", script]
    target = tmp_path / "target"
    with target.open("wb") as file, open(os.devnull, "wb") as null:  # noqa: PTH123 - a device
        out = {"a pipe": subprocess.PIPE, "a file": file.fileno(), "/dev/null": null.fileno()}[to]
        done = subprocess.run(command, stdout=out, cwd=tmp_path, check=False, timeout=60)
    written = (tmp_path / "copy").read_bytes()
    if to != "/dev/null":
        assert (done.stdout if to == "a pipe" else target.read_bytes()) == written
    assert kept() == {"stdout": written[-count:]}


def test_a_regular_file_stays_the_commands(tmp_path: Path) -> None:
    """The command has the very file, with its flags; what was in it before is not kept."""
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    status = log.stat()
    script = "import os; s = os.fstat(1); print(s.st_dev, s.st_ino, os.lseek(1, 0, 1)); raise SystemExit(1)"
    with log.open("ab") as file:
        subprocess.run([*KEEP, sys.executable, "-c", script], stdout=file, check=False, timeout=60)
    said = f"{status.st_dev} {status.st_ino} {len(b'before') + 1}\n".encode()
    assert log.read_bytes() == b"before\n" + said
    assert kept() == {"stdout": said}


def test_both_streams_in_one_file_keep_their_order(tmp_path: Path) -> None:
    """The file has the lines as they were written, and each stream's end is that of the file."""
    with (tmp_path / "log").open("wb") as file:
        script = "for n in 1 2 3 4 5 6 7 8 9; do echo $n; echo e$n >&2; done; exit 1"
        subprocess.run([*KEEP, "sh", "-c", script], stdout=file, stderr=file, check=False, timeout=60)
    text = "".join(f"{n}\ne{n}\n" for n in range(1, 10)).encode()
    assert (tmp_path / "log").read_bytes() == text
    assert kept() == {"stdout": text, "stderr": text}


def test_a_file_that_the_command_cuts_is_no_error(tmp_path: Path) -> None:
    """What lies in the file at the end is kept."""
    with (tmp_path / "log").open("w+b") as file:
        file.write(b"x" * 5000)
        file.flush()
        script = "import os; os.ftruncate(1, 0); os.lseek(1, 0, 0); os.write(1, b'new'); raise SystemExit(1)"
        subprocess.run([*KEEP, sys.executable, "-c", script], stdout=file, check=False, timeout=60)
    assert kept() == {"stdout": b"new"}


def test_a_full_disk_is_the_commands_error() -> None:
    """The command sees ENOSPC as without `exec`; `exec` says that it keeps nothing of a device."""
    script = "import os, sys\ntry: os.write(1, b'x')\nexcept OSError as error: sys.exit(error.errno)"
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [*KEEP, sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert done.returncode == 28
    assert done.stderr == b"otel-job-measure: the output is kept only of files, pipes and sockets, not of stdout here\n"


def test_a_terminal_stays_a_terminal() -> None:
    """The command sees the terminal itself; one line says that its output is not kept."""
    script = "import os; print([os.isatty(n) for n in (0, 1, 2)], os.get_terminal_size().columns); raise SystemExit(1)"
    terminal = Terminal([*KEEP, sys.executable, "-c", script])
    try:
        before = terminal.until(b"[True, True, True]")
        terminal.process.wait(60)
    finally:
        terminal.hang_up()
    assert b"not of stdout and stderr here" in before
    assert kept() == {}


def test_a_closed_stream_stays_closed() -> None:
    """The command has no stdout, as without `exec`; stderr is kept."""
    script = "import os, sys\ntry: os.fstat(1)\nexcept OSError: os.write(2, b'closed')\nos._exit(1)"
    command = ["sh", "-c", 'exec "$@" >&-', "sh", *KEEP, sys.executable, "-c", script]
    assert run(command).stderr == b"closed"
    assert kept() == {"stderr": b"closed"}


def test_a_reader_that_goes_ends_the_command() -> None:
    """`exec … | head -1`: the command gets SIGPIPE as without `exec`."""
    with subprocess.Popen([*KEEP, "yes"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.wait(60) == -13


def test_a_reader_that_goes_is_seen_before_the_command_writes() -> None:
    """The command sees that its pipe has no reader any more, though nothing was written since."""
    script = "import os, select, sys\nprint('ready', flush=True)\n"
    script += "poll = select.poll(); poll.register(1, 0)\nsys.exit(7 if poll.poll() else 0)"
    with subprocess.Popen([*KEEP, sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.stdout.close()
        assert process.wait(60) == 7


def test_a_reader_that_waits_lets_the_command_wait() -> None:
    """Without a reader, only what three pipes hold can be written."""
    script = """
import os, select, sys
os.set_blocking(1, False)
total = 0
while select.select([], [1], [], 3)[1]:
    total += os.write(1, bytes(4096))
print(total, file=sys.stderr, flush=True)
sys.exit(1)
"""
    with subprocess.Popen(
        [*KEEP, sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        total = int(process.stderr.readline())
        assert 0 < total <= 3 * 65536
        assert len(process.stdout.read()) == total
        assert process.wait(60) == 1


def test_one_stream_does_not_wait_for_the_other() -> None:
    """A reader may read all of stderr first."""
    script = "import os, sys; os.write(1, bytes(50_000)); os.write(2, bytes(500_000)); os.write(1, b'end'); sys.exit(1)"
    with subprocess.Popen(
        [*KEEP, sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert len(process.stderr.read()) == 500_000
        assert len(process.stdout.read()) == 50_003


def test_a_daemon_that_holds_the_pipe_is_not_waited_for(tmp_path: Path, state_dir: Path) -> None:
    """`exec` ends with its command; what the daemon says later arrives, and nothing else of `exec` is held."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"(read line < {fifo}; echo $line) & echo now; exit 5"
    with subprocess.Popen(
        [*KEEP, "bash", "-c", script], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.wait(60) == 5
        assert process.stdout.readline() == b"now\n"
        assert kept() == {"stdout": b"now\n"}
        assert not any(slots.is_living(folder) for folder in StateDir(state_dir).slot_folders())
        fifo.write_bytes(b"later\n")
        assert process.stdout.read() == b"later\n"
        with pytest.raises(BrokenPipeError):
            process.stdin.write(b"x")


def test_the_reader_sees_the_end_with_the_command() -> None:
    """No process of `exec` keeps the pipe open."""
    with subprocess.Popen([*KEEP, "true"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert process.wait(60) == 0


def test_a_socket_is_handed_on_to() -> None:
    """As systemd gives one."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen([*KEEP, *BOTH], stdout=theirs.fileno(), stderr=subprocess.DEVNULL)
        theirs.close()
        assert process.wait(60) == 3
        assert ours.recv(100) == b"out\n"
        assert ours.recv(100) == b""
    assert kept() == {"stdout": b"out\n", "stderr": b"err\n"}


def test_a_command_has_no_child_that_it_does_not_know(tmp_path: Path) -> None:
    """Neither `exec` nor a command that waits for all its children meets the relay."""
    script = "import os\ntry: os.wait()\nexcept ChildProcessError: os._exit(9)"
    assert run([*KEEP, sys.executable, "-c", script], cwd=tmp_path).returncode == 9


@pytest.mark.parametrize("variable", ["HISTORY=off", "STATE_DIR=memory"])
def test_without_a_history_nothing_is_kept(variable: str, server: TinyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says so, and the command runs."""
    name, value = variable.split("=")
    for setting, text in {**variables(server.url), f"OTEL_JOB_MEASURE_{name}": value}.items():
        monkeypatch.setenv(setting, text)
    done = run([*KEEP, *BOTH])
    assert (done.returncode, done.stdout) == (3, b"out\n")
    assert b"the output is not kept: there is no local history to keep it in\n" in done.stderr


@pytest.mark.parametrize("size", ["0", "65k", "-1", "4m", "k", "", "99999999999999999999", "4 4"])
def test_a_wrong_size_is_one_clear_error(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what belongs there."""
    with pytest.raises(SystemExit, match="2"):
        main(["exec", f"--keep-output={size}", "job", "--", "true"])
    assert "it takes 1 to 65536 bytes, such as 4k or 64KiB" in capsys.readouterr().err


@pytest.mark.parametrize("shipper", ["exec itself", "ship"])
def test_no_server_gets_the_output(shipper: str, server: TinyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows arrive without the comment; the history has the output."""
    for name, value in variables(server.url).items():
        monkeypatch.setenv(name, value)
    if shipper == "ship":
        monkeypatch.setenv("OTEL_JOB_MEASURE_SHIP", "off")
    # Digits only: their base64 must not look like a time either.
    run([*KEEP, "sh", "-c", "printf XYZZY123456; printf PLUGH >&2; exit 1"])
    if shipper == "ship":
        monkeypatch.setenv("OTEL_JOB_MEASURE_SHIP", "on")
        assert run([*COMMAND, "ship", "--once"]).returncode == 0
    bodies = b"".join(request.body for request in server.requests)
    assert bodies.count(b"scheduling-job-run,") == 1
    assert b"#" not in bodies
    sent = bodies + repr(server.requests).encode()
    assert not [text for text in (b"XYZZY", b"WFlaWlk", b"PLUGH", b"UExVR0", b"# output") if text in sent]
    assert kept() == {"stdout": b"XYZZY123456", "stderr": b"PLUGH"}


def test_our_own_token_is_not_kept(server: TinyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command may print its environment."""
    for name, value in {**variables(server.url), "INFLUXDB_TOKEN": "token-that-is-secret"}.items():
        monkeypatch.setenv(name, value)
    run([*KEEP, "sh", "-c", "env; echo \377; exit 1"])
    text = kept()["stdout"]
    assert b"INFLUXDB_TOKEN=***" in text
    assert b"token-that" not in text


def test_runs_shows_the_output_without_what_a_terminal_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines stay lines; escape sequences and invalid text are shown as they are."""
    run([*KEEP, "sh", "-c", r"printf 'one\n\033]52;c;aGk=\007\303two'; echo err >&2; exit 1"])
    history, _ = up_to_date(Settings.from_env())
    (found,) = history.latest(limit=9)
    assert main(["runs", "--output", found.uuid]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        "stdout, the last 20 bytes:",
        "one",
        "\\x1b]52;c;aGk=\\x07\N{REPLACEMENT CHARACTER}two",
        "stderr, the last 4 bytes:",
        "err",
    ]
    assert main(["runs", "--output", found.uuid, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stderr"] == "err\n"
    assert main(["runs", "--output", "nothing\x1b"]) == 1
    assert capsys.readouterr().err == "No output of a run nothing\\x1b is kept.\n"


def test_only_the_owner_can_read_it(state_dir: Path) -> None:
    """The segment and the history have mode 0600."""
    run([*KEEP, *BOTH])
    (segment,) = state_dir.glob("ready/*.lp")
    assert segment.stat().st_mode & 0o777 == 0o600
    kept()
    assert (state_dir / "history.db").stat().st_mode & 0o777 == 0o600


def test_a_command_that_closes_its_output_goes_on() -> None:
    """The end of a stream is not the end of the command."""
    done = run([*KEEP, "sh", "-c", "echo out; exec >&-; echo err >&2; exit 3"])
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert kept() == {"stdout": b"out\n", "stderr": b"err\n"}


def test_output_arrives_while_the_command_runs() -> None:
    """A reader sees each line at once."""
    with subprocess.Popen(
        [*KEEP, "sh", "-c", "echo one; read line; echo $line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"one\n"
        assert select.select([process.stdout], [], [], 0)[0] == []
        process.stdin.write(b"two\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"two\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_the_whole_group_does_not_cut_the_output(number: signal.Signals) -> None:
    """What the command says when it is told to end still arrives."""
    script = f"trap 'echo bye; exit 3' {number}; echo ready; while :; do read line; done"
    with subprocess.Popen(
        [*KEEP, "bash", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        os.killpg(process.pid, number)
        process.stdin.close()
        assert process.stdout.read().startswith(b"bye\n")
        assert process.wait(60) == 3
        process.stdin = None
    assert kept()["stdout"].startswith(b"ready\nbye\n")


def test_a_command_that_outlives_exec_keeps_its_output() -> None:
    """With `--keep-running`, the command goes on after SIGKILL to `exec`, and what it says arrives."""
    keep = [*COMMAND, "exec", "--keep-running", "--keep-output", "4k", "job", "--"]
    with subprocess.Popen(
        [*keep, "sh", "-c", "echo ready; read line; echo $line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        process.wait(60)
        process.stdin.write(b"later\n")
        process.stdin.close()
        assert process.stdout.read() == b"later\n"
        process.stdin = None


def test_a_backfill_sends_no_output(server: TinyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of the history arrive, and nothing else of it."""
    run([*KEEP, "sh", "-c", "echo XYZZY; exit 1"])
    assert kept() == {"stdout": b"XYZZY\n"}
    for name, value in variables(server.url).items():
        monkeypatch.setenv(name, value)
    assert run([*COMMAND, "ship", "--backfill"]).returncode == 0
    bodies = b"".join(request.body for request in server.requests)
    assert b"scheduling-job-run," in bodies
    assert b"#" not in bodies
    assert b"XYZZY" not in bodies


def test_a_slow_reader_gets_all_after_exec_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """`exec` waits for it no longer than for its own delivery; the rest arrives later."""
    monkeypatch.setenv("OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT", "1")
    script = "import os, sys; os.write(1, bytes(65536) + b'x' * 65536 + b'y' * 20_000); sys.exit(3)"
    with subprocess.Popen([*KEEP, sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.wait(60) == 3
        assert process.stdout.read() == bytes(65536) + b"x" * 65536 + b"y" * 20_000
