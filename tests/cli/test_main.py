"""The command line as a whole: usage, help, version, and what a command loads."""

import json
import os
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from otel_job_measure import cli
from otel_job_measure.cli import main
from tests.support.exec_ import COMMAND
from tests.support.uncovered import uncovered

COMMANDS = [
    *("check", "completion", "demo", "doctor", "exec", "expected", "forget", "jobs", "rejected", "report"),
    *("runs", "ship", "show", "skip", "watch", "web"),
]
# What the commands of a crontab have no time for.
HEAVY = (
    "opentelemetry",
    "influxdb_client",
    "urllib3",
    "sqlite3",
    "rich",
    "asyncio",
    "ssl",
    "email",
    "http",
    "tempfile",
)
TELL_LOADED = """
import json, sys
from otel_job_measure.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print(json.dumps([code, sorted(sys.modules)]))
"""


def loaded_by(*words: str) -> list[str]:
    """Returns the modules that a command loads, which has to succeed."""
    command = [sys.executable, "-c", TELL_LOADED, *words]
    done = subprocess.run(command, env=uncovered(), capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0
    return list(modules)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "COMMAND"),
        (["no-such-command"], "no-such-command"),
        (["--no-such-option"], "COMMAND"),
        (["runs", "--no-such-option"], "no-such-option"),
        (["ship", "--once", "too-much"], "too-much"),
        (["demo", "too-much"], "too-much"),
    ],
)
def test_wrong_usage_ends_with_2(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It says on stderr what is wrong, and nothing on stdout."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert out == ""
    assert complaint in err
    assert err.startswith("usage: otel-job-measure")


@pytest.mark.parametrize(
    ("words", "usage", "hint"),
    [
        (["runs", "--jobs", "x"], "usage: otel-job-measure runs ", "--jobs x; did you mean --job?"),
        (["ship", "--redirects=a"], "usage: otel-job-measure ship ", "--redirects=a; did you mean --redirect?"),
        (["rejected", "--xyzzy"], "usage: otel-job-measure rejected ", "--xyzzy\n"),
        (["exec", "--envfile", "a", "--", "true"], "usage: otel-job-measure exec ", "did you mean --env-file?"),
    ],
)
def test_an_unknown_option_gets_the_usage_of_its_command(
    words: list[str], usage: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the nearest option, if one is near."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert err.startswith(usage)
    assert hint in err


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_is_no_wrong_usage(command: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """It fits 80 columns and goes to stdout; the help of all tells of each."""
    with pytest.raises(SystemExit) as ended:
        main([*([command] if command else []), "--help"])
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, "")
    assert out.startswith(f"usage: otel-job-measure {command or '['}")
    assert max(map(len, out.splitlines())) <= 80
    if command is None:
        assert [name for name in COMMANDS if f"\n    {name} " in out] == COMMANDS


def test_the_version_is_that_of_the_distribution(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes to stdout; a folder that was never installed has none."""

    def nowhere(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    for expected in (metadata.version("otel-job-measure"), "(not installed)"):
        with pytest.raises(SystemExit) as ended:
            main(["--version"])
        assert ended.value.code == 0
        assert capsys.readouterr().out == f"otel-job-measure {expected}\n"
        monkeypatch.setattr(metadata, "version", nowhere)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        *[("--help", 1), ("jobs --help", 1), ("exec --help", 1), ("--version", 1)],
        *[("report", 1), ("report --csv", 1), ("report --html -", 1), ("doctor", 1), ("check", 3)],
    ],
)
def test_a_full_disk_behind_stdout_is_one_line(state_dir: Path, words: str, code: int) -> None:
    """It says that stdout cannot be written, and why: an error of another file must not look like that."""
    assert not state_dir.exists()
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *words.split()], env=uncovered(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    told = "otel-job-measure: stdout cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (code, told)


@pytest.mark.parametrize("words", ["report", "report --csv"])
def test_a_closed_stdout_is_no_error(state_dir: Path, words: str) -> None:
    """It takes everything."""
    command = f"{shlex.join(COMMAND)} {words} >&-"
    done = subprocess.run(["sh", "-c", command], env=uncovered(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not state_dir.exists()


def test_a_reader_of_the_help_that_has_gone_is_no_error() -> None:
    """`--help | true` is quiet."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMMAND, "--help"], env=uncovered(), stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_a_closed_stderr_would_get_is_not_on_stdout(state_dir: Path) -> None:
    """`runs --json` prints JSON alone there."""
    command = f"{shlex.join(COMMAND)} runs --json 2>&-"
    done = subprocess.run(["sh", "-c", command], env=uncovered(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert not state_dir.exists()


def test_every_command_of_the_table_is_there() -> None:
    """The table and the commands that users were promised are the same."""
    assert sorted(cli._COMMANDS) == COMMANDS


@pytest.mark.parametrize("program", [COMMAND, [sys.executable, "-m", "otel_job_measure"]], ids=["command", "module"])
def test_the_program_can_be_started_both_ways(program: list[str]) -> None:
    """As the command, and as a module where PATH lacks it; exit codes are the process's."""
    done = subprocess.run([*program, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("otel-job-measure ")
    assert subprocess.run(program, capture_output=True, check=False).returncode == 2


def test_exec_loads_only_what_it_needs(state_dir: Path) -> None:
    """It stands before every line of a crontab: neither SDK nor client nor SQLite, nor what delivers."""
    loaded = loaded_by("exec", "job", "--", "true")
    assert "otel_job_measure.journal.segment_writer" in loaded
    assert [name for name in loaded if name.split(".")[0] in HEAVY] == []
    ours = ("otel_job_measure.delivery", "otel_job_measure.history", "otel_job_measure.spans.opener")
    assert [name for name in loaded if name.startswith(ours)] == []
    assert [path.name for path in state_dir.iterdir()] != []


def test_the_version_loads_no_command() -> None:
    """It is asked by people and programs that want nothing else."""
    assert [name for name in loaded_by("--version") if name.startswith("otel_job_measure.cli.")] == []


def test_runs_loads_nothing_that_measures(state_dir: Path) -> None:
    """It needs the history, and neither the SDK nor a client."""
    loaded = loaded_by("runs", "--json")
    assert "sqlite3" in loaded
    assert [name for name in loaded if name.startswith(("opentelemetry.sdk", "influxdb_client", "rich"))] == []
