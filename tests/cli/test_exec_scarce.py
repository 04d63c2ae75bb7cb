"""`exec` with too little of something: the command runs as it would alone."""

import importlib.util
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import otel_job_measure
from otel_job_measure import __main__
from tests.support.exec_ import EXEC, run
from tests.support.uncovered import uncovered

GO_ON = ["sh", "-c", "echo goes on; exit 3"]
MIB = 1024 * 1024


@pytest.mark.parametrize("kind", ["AS", "DATA"])
@pytest.mark.parametrize("most", [5, 8, 10, 13, 15, 17, 19, 20, 21, 23, 25, 40])
def test_a_limit_of_memory_leaves_the_command_alone(kind: str, most: int) -> None:
    """From too little for Python to more than enough: the command runs, also if Python would spin without end."""
    limit = getattr(resource, f"RLIMIT_{kind}")
    done = subprocess.run(
        [*EXEC, *GO_ON],
        env=uncovered(),
        check=False,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(limit, (most * MIB, most * MIB)),
    )
    assert (done.returncode, done.stdout) == (3, b"goes on\n"), done.stderr


@pytest.mark.parametrize(
    ("kind", "most"), [("FSIZE", 0), ("FSIZE", 100), ("NOFILE", 12), ("NOFILE", 14), ("STACK", MIB)]
)
def test_another_limit_leaves_the_command_alone(kind: str, most: int) -> None:
    """The command runs if nothing can be written, or if few files can be open."""
    limit = getattr(resource, f"RLIMIT_{kind}")
    done = subprocess.run(
        [*EXEC, *GO_ON],
        env=uncovered(),
        check=False,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(limit, (most, most)),
    )
    assert (done.returncode, done.stdout) == (3, b"goes on\n"), done.stderr


@pytest.mark.parametrize("most", [0, 100, 5000])
def test_a_limit_of_files_leaves_no_bytecode_that_is_cut_short(most: int) -> None:
    """Python would keep it, and no process could import that module again."""
    module = Path(importlib.util.cache_from_source(str(Path(otel_job_measure.__file__).parent / "cli/exec/run.py")))
    module.unlink(missing_ok=True)
    done = subprocess.run(
        [*EXEC, *GO_ON],
        env=uncovered(),
        check=False,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert (done.returncode, done.stdout) == (3, b"goes on\n")
    again = [sys.executable, "-c", "import otel_job_measure.cli.exec.run"]
    assert subprocess.run(again, env=uncovered(), check=False, capture_output=True).stderr == b""


@pytest.mark.parametrize(("free", "has_room"), [(10, False), (10**6, True)])
def test_no_bytecode_is_written_to_a_full_disk(free: int, monkeypatch: pytest.MonkeyPatch, *, has_room: bool) -> None:
    """A disk that fills up while Python writes cuts the file short too."""
    disk = SimpleNamespace(f_bavail=free, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", {sys.prefix: disk}.__getitem__)
    assert __main__.has_room() is has_room


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_files_leave_the_command_alone(closed: str, tmp_path: Path) -> None:
    """Nothing of ours gets the number of a closed file, also if the package is broken."""
    for variables in ({}, {"OTEL_JOB_MEASURE_SHIP": "maybe"}):
        command = f"""exec "$0" exec job -- sh -c 'echo ran >>{tmp_path}/ran; exit 3' {closed}"""
        done = run(["sh", "-c", command, EXEC[0]], environment=os.environ | variables)
        assert done.returncode == 3
    assert (tmp_path / "ran").read_text() == "ran\nran\n"


@pytest.mark.parametrize("home", [None, "", "/no/such", "/dev/null", "relative", "/proc"])
def test_any_home_leaves_the_command_alone(home: str | None) -> None:
    """Without a usable HOME there is at most one line, and the command runs."""
    environment = {
        name: value for name, value in os.environ.items() if name not in {"HOME", "OTEL_JOB_MEASURE_STATE_DIR"}
    }
    environment["XDG_STATE_HOME"] = "/dev/null/no"
    if home is not None:
        environment["HOME"] = home
    done = run([*EXEC, *GO_ON], environment=environment)
    assert (done.returncode, done.stdout) == (3, b"goes on\n")
    assert done.stderr.count(b"\n") <= 1


@pytest.mark.parametrize(
    "make", ["touch s", "ln -s s s", "mkfifo s", "mkdir -p s/slots; touch s/slots/000 s/ready", "ln -s /dev/full s"]
)
def test_any_state_directory_leaves_the_command_alone(make: str, tmp_path: Path) -> None:
    """Whatever is there instead of the state directory, or inside it."""
    run(["sh", "-c", make], cwd=tmp_path)
    environment = os.environ | {"OTEL_JOB_MEASURE_STATE_DIR": str(tmp_path / "s")}
    done = run([*EXEC, *GO_ON], environment=environment)
    assert (done.returncode, done.stdout) == (3, b"goes on\n")
    assert done.stderr.count(b"\n") <= 2


def test_a_deleted_folder_leaves_the_command_alone(tmp_path: Path) -> None:
    """The command runs in the folder that was deleted; the shell itself may say a line about it."""
    command = f'mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir ../gone; exec "$@"'
    done = run(["sh", "-c", command, "sh", *EXEC, *GO_ON])
    assert (done.returncode, done.stdout) == (3, b"goes on\n")
