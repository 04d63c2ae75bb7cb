"""A folder with one part of root's and one of another user's, M's, and root's commands in a state directory of M's."""

import os
import stat
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.exec_ import COMMAND

M: Final = 54_321
ONLY_ROOT: Final = pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as another user")
SECRET: Final = "# otel-job-measure {}\nthe secret of root\n"
SERVER: Final = {
    "INFLUXDB_URL": "http://127.0.0.1:1",
    "INFLUXDB_TOKEN": "t",
    "INFLUXDB_ORG": "o",
    "INFLUXDB_BUCKET": "b",
}


@contextmanager
def two_users() -> Generator[Path]:
    """A folder that every user can look into, with a folder of M's and one of root's."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "theirs").mkdir()
        os.chown(place / "theirs", M, M)
        (place / "roots").mkdir()
        for name in ("secret", "a.lp", "0123456789abcdef-0.lp", "lock"):
            (place / "roots" / name).write_text(SECRET)
            (place / "roots" / name).chmod(0o600)
        yield place


def environment(place: Path, **variables: str) -> dict[str, str]:
    """Returns the environment of root's processes: the state directory is M's."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(place / "home"),
        "OTEL_JOB_MEASURE_STATE_DIR": str(place / "theirs" / "state"),
        "OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "1s",
        **variables,
    }


def run(place: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command as root, on M's state directory."""
    return process(place, *COMMAND, *words, **variables)


def process(place: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs a program as root, with M's state directory."""
    return subprocess.run(
        words,
        env=environment(place, **variables),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        errors="replace",
    )


def everything(folder: Path) -> dict[str, tuple[object, ...]]:
    """Returns what can be seen of a folder: names, kinds, owners, times, contents."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path)] = (status.st_ino, status.st_mode, status.st_uid, status.st_mtime_ns, content)
    return found
