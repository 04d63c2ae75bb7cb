"""The units for systemd that the package brings."""

import shutil
import subprocess
from pathlib import Path

import pytest

import otel_job_measure
from tests.support.exec_ import COMMAND

UNITS = sorted((Path(otel_job_measure.__path__[0]) / "systemd").glob("*@.*"))
_INSTALLED = "/usr/local/bin/otel-job-measure"


def _commands(unit: Path) -> list[str]:
    return [line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]


def test_there_are_a_service_that_stays_and_a_timer() -> None:
    """One ships and checks in one process, the other checks each minute."""
    assert [unit.name for unit in UNITS] == [
        "otel-job-measure-check@.service",
        "otel-job-measure-check@.timer",
        "otel-job-measure-ship@.service",
    ]


def test_their_commands_exist() -> None:
    """Each is a command of this version with options that it takes."""
    commands = [command.split() for unit in UNITS for command in _commands(unit)]
    assert len(commands) == 2
    for program, *words in commands:
        assert program == _INSTALLED
        done = subprocess.run([*COMMAND, *words, "--help"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
def test_systemd_takes_them(tmp_path: Path) -> None:
    """It has no complaint about any line."""
    folder = tmp_path / "units"
    folder.mkdir()
    for unit in UNITS:
        text = unit.read_text().replace(_INSTALLED, COMMAND[0])
        (folder / unit.name.replace("@", "@root")).write_text(text)
    units = sorted(map(str, folder.iterdir()))
    done = subprocess.run(
        ["systemd-analyze", "--man=no", "verify", *units], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("", "")
