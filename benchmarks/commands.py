"""The package's own command, run as users run it."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.contenders.contender import Where
from benchmarks.interleaved import ROOT, environment

PROGRAM: Final = Path(sys.executable).with_name("otel-job-measure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended.

    Args:
        took_s: From its start to its end, in seconds.
        peak_bytes: The most memory that it had at once.
        said: What it has printed.
    """

    took_s: float
    peak_bytes: int
    said: bytes


def command(*words: str, home: Path, variables: Mapping[str, str]) -> Done:
    """Runs `otel-job-measure`.

    Args:
        *words: What follows its name.
        home: Its user's home.
        variables: What its environment has besides.

    Raises:
        RuntimeError: It has failed.
    """
    began_s = time.perf_counter()
    process = subprocess.Popen(
        [PROGRAM, *words], cwd=ROOT, env=environment(home) | dict(variables), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    took_s = time.perf_counter() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0:
        raise RuntimeError(f"otel-job-measure {' '.join(words)} ended with {process.returncode}")
    return Done(took_s=took_s, peak_bytes=used.ru_maxrss * 1024, said=said)


def ship_variables(where: Where) -> dict[str, str]:
    """Returns the variables that bring a state directory's points to a server.

    Args:
        where: The server and the folder.
    """
    return {
        "INFLUXDB_URL": where.server,
        "INFLUXDB_TOKEN": where.token,
        "INFLUXDB_ORG": where.org,
        "INFLUXDB_BUCKET": where.bucket,
        "OTEL_JOB_MEASURE_STATE_DIR": str(where.folder / "state"),
    }
