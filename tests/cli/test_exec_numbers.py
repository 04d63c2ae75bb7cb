"""Variables of systemd that hold the number of the process that they are for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.exec_ import EXEC

# Python starts the process, so that its number is known before it runs.
SERVICE = """
import os, sys
number = os.getpid()
for name in sys.argv[1].split(","):
    os.environ[name] = str(number)
descriptor = os.pidfd_open(number)
os.environ["LISTEN_PIDFDID"] = str(os.fstat(descriptor).st_ino)
os.close(descriptor)
file = os.open(sys.argv[2], os.O_RDONLY)
os.set_inheritable(file, True) if file == 3 else os.dup2(file, 3)
os.execv(sys.argv[3], sys.argv[3:])
"""
TOLD = """
import os
own = str(os.getpid())
descriptor = os.pidfd_open(os.getpid())
print([name for name in ("LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID") if os.environ.get(name) == own])
print(os.environ["LISTEN_PIDFDID"] == str(os.fstat(descriptor).st_ino), os.read(3, 99).decode())
"""


@pytest.mark.parametrize("names", ["LISTEN_PID", "LISTEN_PID,WATCHDOG_PID,SYSTEMD_EXEC_PID"])
def test_the_command_is_the_process_that_systemd_means(names: str, tmp_path: Path) -> None:
    """Socket activation and the watchdog name the command under `exec`, with the descriptors from 3 on, as alone."""
    handed = tmp_path / "socket"
    handed.write_text("handed over")
    said: list[str] = []
    for before in (EXEC, []):
        command = [*before, sys.executable, "-c", TOLD]
        done = subprocess.run(
            [sys.executable, "-c", SERVICE, names, str(handed), *command], capture_output=True, check=True, text=True
        )
        said.append(done.stdout)
    assert said[0] == said[1] == f"{names.split(',')}\nTrue handed over\n"


def test_the_number_of_another_process_stays() -> None:
    """Variables that name a third process are not the command's, and are handed on as they are."""
    environment = os.environ | {"LISTEN_PID": "1", "LISTEN_PIDFDID": "7", "WATCHDOG_PID": "no number"}
    done = subprocess.run(
        [*EXEC, "sh", "-c", "echo $LISTEN_PID $LISTEN_PIDFDID $WATCHDOG_PID"],
        env=environment,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"1 7 no number\n"
