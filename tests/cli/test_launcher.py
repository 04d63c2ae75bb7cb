"""The installed script: what stands between cron and the command, whatever the environment and the interpreter are."""

import argparse
import os
import shutil
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from otel_job_measure.__main__ import VALUES, command_of
from otel_job_measure.cli.exec.command import add_parser
from tests.support.exec_ import COMMAND, EXEC, points, run, running

SHELLS = [["/bin/sh"], ["bash", "--posix"], ["busybox", "sh"]]
GO_ON = ["sh", "-c", "echo goes on; exit 3"]
NONSENSE = "no/such thing"
# What a Python command may be given; a wrong PYTHONHASHSEED, PYTHONMALLOC or PYTHONHOME ends an interpreter at once.
VARIABLES = [
    ("PYTHONHOME", "/opt/py2"),
    ("PYTHONINSPECT", "1"),
    ("PYTHONSTARTUP", NONSENSE),
    ("PYTHONWARNINGS", "error"),
    ("PYTHONOPTIMIZE", "2"),
    ("PYTHONPLATLIBDIR", NONSENSE),
    ("PYTHONUTF8", "7"),
    ("PYTHONIOENCODING", NONSENSE),
    ("PYTHONMALLOC", NONSENSE),
    ("PYTHONHASHSEED", NONSENSE),
    ("PYTHONTRACEMALLOC", NONSENSE),
    ("PYTHONBREAKPOINT", NONSENSE),
    ("PYTHONCASEOK", "1"),
    ("PYTHONVERBOSE", "3"),
    ("PYTHONDEBUG", "3"),
    ("PYTHONDUMPREFS", "1"),
    ("PYTHONPROFILEIMPORTTIME", "1"),
    ("PYTHONFAULTHANDLER", "1"),
    ("PYTHONDEVMODE", "1"),
    ("PYTHONINTMAXSTRDIGITS", "1"),
    ("PYTHONUSERBASE", NONSENSE),
    ("PYTHONEXECUTABLE", NONSENSE),
    ("PYTHONPYCACHEPREFIX", "/dev/null"),
    ("PYTHON_GIL", NONSENSE),
    ("LC_ALL", NONSENSE),
    ("LANG", "xx_XX.nonsense"),
    ("IFS", "/e"),
    ("ENV", NONSENSE),
    ("PATH", "/no/such:/bin"),
]
SHADOWS = ["types", "os", "sys", "site", "signal", "enum", "io", "abc", "codecs", "re", "argparse", "logging", "typing"]


def script(folder: Path, first_lines: str) -> list[str]:
    """Returns a copy of the installed script whose second file begins with other lines."""
    [program] = COMMAND
    folder.mkdir(exist_ok=True)
    shutil.copy2(program, folder)
    body = Path(f"{program}-python").read_text().partition("\n")[2]
    (folder / "otel-job-measure-python").write_text(f"{first_lines}\n{body}")
    return [str(folder / "otel-job-measure")]


def executable(path: Path, text: str) -> Path:
    """Writes a program."""
    path.write_text(text)
    path.chmod(0o755)
    return path


def is_measured(state_dir: Path) -> bool:
    """Returns whether a run was measured, from its start to its end."""
    return len(points(state_dir)) == 3


@pytest.mark.parametrize(("name", "value"), VARIABLES)
def test_variables_of_the_command_are_not_for_us(name: str, value: str, state_dir: Path) -> None:
    """The command gets each variable as it is, and the measurement works beside it, without a word."""
    done = run([*EXEC, *GO_ON], environment=os.environ | {name: value})
    assert (done.returncode, done.stdout) == (3, b"goes on\n")
    assert done.stderr == b""
    assert is_measured(state_dir)
    done = run([*EXEC, "/usr/bin/env", "-0"], environment=os.environ | {name: value})
    assert f"{name}={value}".encode() in done.stdout.split(b"\0")


@pytest.mark.parametrize("where", ["PYTHONPATH", "folder"])
def test_modules_of_the_command_are_not_for_us(where: str, tmp_path: Path, state_dir: Path) -> None:
    """Files with names of the standard library, in PYTHONPATH or in the current folder, are the command's."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError({name!r})")
    environment = os.environ | ({"PYTHONPATH": str(tmp_path)} if where == "PYTHONPATH" else {})
    done = run([*EXEC, *GO_ON], environment=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"goes on\n", b"")
    assert is_measured(state_dir)


@pytest.mark.parametrize("shell", SHELLS, ids=["sh", "bash", "busybox"])
@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"PWD": "/nowhere", "OLDPWD": "/nowhere", "SHLVL": "7", "_": "what", "A": "\udcff\n\x01 'x'\"$y\\"},
        {"BASH_FUNC_f%%": "() { true; }", "a.b": "c", "PS1": "$ ", "OPTIND": "3", "ojm_words": "9", "LC_CTYPE": "C"},
        {f"LONG_{number}": "x" * 120_000 for number in range(4)},
    ],
    ids=["empty", "shells", "names", "long"],
)
def test_the_environment_is_the_commands(shell: Sequence[str], environment: dict[str, str], state_dir: Path) -> None:
    """Whatever shell `sh` is, the command gets its environment unchanged, in its order."""
    file = state_dir.with_name("env")
    file.write_text(f"OTEL_JOB_MEASURE_STATE_DIR={state_dir}\n")
    command = [*COMMAND, "exec", "--env-file", str(file), "job", "--", "/usr/bin/env", "-0"]
    done = run([*shell_of(shell), *command], environment=environment)
    assert done.stderr == b""
    assert done.stdout == b"".join(os.fsencode(f"{name}={value}\0") for name, value in environment.items())
    assert is_measured(state_dir)


def shell_of(shell: Sequence[str]) -> list[str]:
    """Returns a shell; `make servers` installs all of them."""
    found = shutil.which(shell[0])
    if found is None and "CI" not in os.environ:
        pytest.skip(f"{shell[0]} is not installed")
    return [str(found), *shell[1:]]


def test_the_process_id_is_kept() -> None:
    """The process that cron has started is the one that waits for the command: no shell stays between."""
    with running([*EXEC, "sh", "-c", "echo $PPID"]) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == str(process.pid)


@pytest.mark.parametrize("shell", SHELLS, ids=["sh", "bash", "busybox"])
@pytest.mark.parametrize(
    "interpreter",
    [
        "missing",
        "not executable",
        "a folder",
        "another machine's",
        "exits 1",
        "exits 0",
        "killed",
        "SIGSEGV",
        "no standard library",
        "python",
    ],
)
def test_a_broken_interpreter_leaves_the_command_alone(
    shell: Sequence[str], interpreter: str, tmp_path: Path, state_dir: Path
) -> None:
    """The command takes the place of the script, with one line on stderr, its own exit code and its environment."""
    path = tmp_path / "broken"
    match interpreter:
        case "missing":
            path.symlink_to("/usr/bin/python1.5")
        case "not executable":
            path.touch()
        case "a folder":
            path.mkdir()
        case "another machine's":
            path.write_bytes(b"\x7fELF\x01\x02\x01" + bytes(64))
            path.chmod(0o755)
        case "exits 1" | "exits 0":
            executable(path, f"#!/bin/sh\nexit {interpreter[-1]}\n")
        case "killed":
            executable(path, "#!/bin/sh\nkill -9 $$\n")
        case "SIGSEGV":
            executable(path, "#!/bin/sh\nkill -SEGV $$\n")
        case "no standard library":
            shutil.copy(os.path.realpath(sys.executable), path)
            path = executable(tmp_path / "wrapped", f"#!/bin/sh\nPYTHONHOME=/no/such exec {path} -E -S\n")
        case _:
            path = Path("python")
    program = [*shell_of(shell), *script(tmp_path / "bin", f"#!{path}")]
    done = run([*program, "exec", "job", "--", "sh", "-c", "echo $$; env -0; exit 3"], environment={"A": "b c"})
    assert done.returncode == 3
    assert set(done.stdout.partition(b"\n")[2].split(b"\0")) - {b""} >= {b"A=b c"}
    assert done.stderr.endswith(b"; the command runs and is not measured\n")
    assert done.stderr.count(b"\n") == 1
    assert not state_dir.exists()


def test_other_commands_say_that_the_interpreter_is_missing(tmp_path: Path) -> None:
    """Only `exec` has a command to fall back to: others, and wrong usage of `exec`, are errors."""
    program = script(tmp_path, "#!/no/such/python")
    for words in (["runs"], [], ["exec"], ["exec", "job"], ["exec", "--env-file=x", "--", "echo", "hello"]):
        done = run([*program, *words])
        assert (done.returncode, done.stdout) == (127, b"")
        assert b"/no/such/python is missing" in done.stderr


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["exec", "job", "--", "a", "b"], ["a", "b"]),
        (["exec", "job", "a", "--", "b"], ["a", "--", "b"]),
        (["exec", "--env-file", "x", "job", "--", "a"], ["a"]),
        (["exec", "--env-file=x", "--timeout", "1h", "--flag", "job", "a", "-x"], ["a", "-x"]),
        (["exec", "", "--", "a"], ["a"]),
        (["exec", "job", "--", "--", "a"], []),
        (["exec", "job", "--env-file", "x", "a"], []),
        (["exec", "--env-file=x", "--", "echo", "hello"], []),
        (["exec", "--env-file", "--", "echo", "hello"], []),
        (["exec", "-h", "job", "--", "a"], []),
        (["exec", "--help"], []),
        (["exec", "job", "--"], []),
        (["exec", "job"], []),
        (["exec", "--env-file"], []),
        (["exec"], []),
        (["runs", "exec", "job", "a"], []),
        ([], []),
    ],
)
def test_both_halves_find_the_same_command(words: list[str], command: list[str], tmp_path: Path) -> None:
    """The shell and Python take the same words for the command, and none if the usage is wrong."""
    assert list(command_of(words)) == command
    [program] = script(tmp_path, "#!/no/such/python")
    text = Path(program).read_text().partition('\nojm_count_words "$@"')[0]
    done = run(["sh", "-c", f'{text}\nojm_count_words "$@"; echo "$ojm_words"', "sh", *words])
    assert words[int(done.stdout) :] == command if int(done.stdout) else not command


def test_both_halves_know_every_option_that_takes_a_value() -> None:
    """An option of `exec` that takes a value is in the lists of both halves, or its value would count as the name."""
    parsers = argparse.ArgumentParser().add_subparsers()
    add_parser(parsers)
    [parser] = parsers.choices.values()
    options = {
        word for action in parser._actions if action.nargs is None for word in action.option_strings if word[:2] == "--"
    }
    assert options == set(VALUES)
    [line] = [line for line in Path(COMMAND[0]).read_text().splitlines() if line.endswith(") shift ;;")]
    assert options == set(line.partition(")")[0].strip().split(" | "))


def test_a_link_to_the_script_is_followed(tmp_path: Path, state_dir: Path) -> None:
    """As pipx makes one: also relative links, and links to links."""
    (tmp_path / "first").symlink_to(COMMAND[0])
    (tmp_path / "second").symlink_to("first")
    done = run(["./second", "exec", "job", "--", *GO_ON], cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"goes on\n", b"")
    assert is_measured(state_dir)


@pytest.mark.parametrize(
    "lines",
    [
        "#!{python}",
        "#!{python} -sP",
        "#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''",
        "#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''",
        "#!/bin/sh\n'''exec' '{python}' \"$0\" \"$@\"\n' '''",
    ],
)
@pytest.mark.parametrize("folder", ["plain", "a folder -x", "x" * 150])
def test_the_first_lines_name_the_interpreter(lines: str, folder: str, tmp_path: Path, state_dir: Path) -> None:
    """As pip, uv, distlib and distributions write it, also if its path is long or has spaces."""
    (tmp_path / folder).mkdir()
    python = executable(tmp_path / folder / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program = script(tmp_path / "bin", lines.format(python=python))
    done = run([*program, "exec", "job", "--", *GO_ON])
    assert (done.returncode, done.stdout, done.stderr) == (3, b"goes on\n", b"")
    assert is_measured(state_dir)


@pytest.mark.parametrize("damage", ["raise SystemExit(0)", "def (", "", "raise KeyboardInterrupt", "import no_such"])
def test_a_damaged_second_half_leaves_the_command_alone(damage: str, tmp_path: Path) -> None:
    """A half-written file next to the script is as good as a broken interpreter."""
    program = script(tmp_path, f"#!{sys.executable}")
    path = tmp_path / "otel-job-measure-python"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], f"{damage}\n", *(lines[1:] if damage else [])]))
    done = run([*program, "exec", "job", "--", *GO_ON])
    assert (done.returncode, done.stdout) == (3, b"goes on\n")
    assert done.stderr.endswith(b"does not start; the command runs and is not measured\n")
    path.chmod(0)
    path.unlink()
    assert run([*program, "exec", "job", "--", *GO_ON]).returncode == 3


def test_the_installed_script_is_executable() -> None:
    """Both halves are installed as they are in the sources; if this fails, `pip install -e .` installs them again."""
    [program] = COMMAND
    root = Path(__file__).parents[2]
    assert Path(program).read_text() == (root / "scripts" / "otel-job-measure").read_text()
    assert Path(program).stat().st_mode & stat.S_IXUSR
    installed, source = Path(f"{program}-python").read_text(), (root / "otel_job_measure" / "__main__.py").read_text()
    assert installed.partition("\n")[2] == source.partition("\n")[2]
