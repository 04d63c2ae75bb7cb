"""`completion`: real shells complete our command line."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure.cli import main
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.journal.interfaces import Chunk
from tests.history.support import history_in
from tests.insight.contract import whole
from tests.support.collectors import program
from tests.support.exec_ import COMMAND, Terminal
from tests.support.uncovered import uncovered

NAMES: Final = ("billing:night", "it's", "nightly", "q$(touch pwned)", "with space", "zünd=1")
# What is typed before the tabulator key, and the words that the command then gets.
LINES: Final = [
    ("jo", ["jobs"]),
    ("jobs --so", ["jobs", "--sort"]),
    ("jobs --sort na", ["jobs", "--sort", "name"]),
    ("jobs --sort=na", ["jobs", "--sort=name"]),
    ("check --from inf", ["check", "--from", "influxdb"]),
    ("runs --status lo", ["runs", "--status", "lost"]),
    ("runs --job nig", ["runs", "--job", "nightly"]),
    ("runs --job bil", ["runs", "--job", "billing:night"]),
    ("runs --job wit", ["runs", "--job", "with space"]),
    ("runs --job it", ["runs", "--job", "it's"]),
    ("skip q", ["skip", "q$(touch pwned)"]),
    ("forget z", ["forget", "zünd=1"]),
    ("report --html fil", ["report", "--html", "file one.html"]),
    ("runs --state-dir fol", ["runs", "--state-dir", "folder"]),
    ("exec nightly -- unam", ["exec", "nightly", "--", "uname"]),
    ("exec nightly unam", ["exec", "nightly", "uname"]),
    ("completion z", ["completion", "zsh"]),
]
TELLS: Final = """
otel-job-measure() {
  if [[ $1 == completion && $2 == jobs ]]; then command otel-job-measure "$@"
  else printf '<%s>' "$@"; printf 'DO''NE\\n'; fi
}
"""


@pytest.fixture(autouse=True)
def _jobs(state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs with names that a shell could take for something else, and a folder with a file and a folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file one.html").touch()
    (tmp_path / "folder").mkdir()
    state_dir.mkdir(mode=0o700, exist_ok=True)
    now_ns = time.time_ns()
    data = b"".join(whole(f"run{at}", now_ns - at * 10**9, JobId(name)) for at, name in enumerate(NAMES, 3))
    history_in(state_dir, None, retention_s=1e10).fold([Chunk(segment="local-1.lp", offset=0, data=data, host="h")])


def _environment(tmp_path: Path) -> Mapping[str, str]:
    path = f"{Path(COMMAND[0]).parent}:{os.environ['PATH']}"
    home = {"HOME": str(tmp_path), "INPUTRC": os.devnull, "LC_ALL": "C.UTF-8", "PS1": "> "}
    return uncovered() | {"PATH": path, "TERM": "xterm"} | home


def _script(shell: str, tmp_path: Path) -> str:
    """Writes a shell's script as `completion` prints it."""
    done = subprocess.run([*COMMAND, "completion", shell], env=uncovered(), check=True, capture_output=True, text=True)
    path = tmp_path / ("_otel-job-measure" if shell == "zsh" else f"script.{shell}")
    path.write_text(done.stdout)
    return str(path)


def _typed(terminal: Terminal, ready: str) -> None:
    terminal.press(f"{TELLS}{ready}; echo REA''DY\n".encode())
    terminal.until(b"READY\r\n")
    for words, expected in LINES:
        terminal.press(f"otel-job-measure {words}\t\r".encode())
        seen = terminal.until(b"DONE\r\n").decode().replace("/>", ">")  # zsh takes the slash of a folder back
        told = "".join(f"<{word}>" for word in expected)
        assert seen.endswith(told), (words, seen)
    terminal.press(b"exit\n")
    terminal.process.wait()
    terminal.hang_up()


def test_bash_completes_what_is_typed(tmp_path: Path) -> None:
    """The finished words are those of the command; no name of a job is run as a command."""
    environment = _environment(tmp_path)
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], environment)
    _typed(terminal, f". '{_script('bash', tmp_path)}'")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("way", ["fpath", "eval"])
def test_zsh_completes_what_is_typed(way: str, tmp_path: Path) -> None:
    """So does zsh, whether it finds the script by itself or is given it."""
    script = _script("zsh", tmp_path)
    load = {"fpath": f"fpath=('{tmp_path}' $fpath); {{}}", "eval": f"{{}}; eval \"$(cat '{script}')\""}[way]
    terminal = Terminal([program("zsh"), "-f", "-i"], _environment(tmp_path))
    _typed(terminal, load.format("autoload -U compinit; compinit -D -u"))
    assert not (tmp_path / "pwned").exists()


def test_fish_completes_what_is_typed(tmp_path: Path) -> None:
    """In fish the same words are offered, with a description of each."""
    script = _script("fish", tmp_path)
    for words, expected in LINES:
        asked = [program("fish"), "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", script]
        done = subprocess.run(
            [*asked, f"otel-job-measure {words}"],
            env=_environment(tmp_path),
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stderr == "", words
        offered = [line.split("\t")[0].removesuffix("/") for line in done.stdout.splitlines()]
        assert expected[-1] in offered, (words, done.stdout)
    assert not (tmp_path / "pwned").exists()


def test_the_names_are_those_of_the_history(capfd: pytest.CaptureFixture[str]) -> None:
    """They come one a line, without what is long or would act on the terminal."""
    assert main(["completion", "jobs"]) == 0
    assert capfd.readouterr().out.splitlines() == sorted(NAMES)


@pytest.mark.parametrize("what", ["none", "garbage", "folder"])
def test_a_key_press_says_nothing_of_a_broken_history(
    what: str, state_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """There are no names then, and no message that would land in the middle of what is typed."""
    for file in state_dir.glob("history.db*"):
        file.unlink()
    if what == "garbage":
        (state_dir / "history.db").write_bytes(b"no database" * 1000)
    if what == "folder":
        (state_dir / "history.db").mkdir()
    assert main(["completion", "jobs"]) == 0
    assert capfd.readouterr() == ("", "")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The message has the command that installs it; the names need no library."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    assert "pip install 'otel-job-measure[completion]'" in capfd.readouterr().err
    assert main(["completion", "jobs"]) == 0
