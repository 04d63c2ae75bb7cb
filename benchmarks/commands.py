"""The package's own command, run as users run it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.contenders.contender import Where
from benchmarks.interleaved import ROOT, environment

PROGRAM: Final = Path(sys.executable).with_name("otel-job-measure")
_ALONE: Final = Path(__file__).with_name("alone.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended.

    Args:
        took_s: From its start to its end, in seconds.
        peak_bytes: The most memory that it had at once.
    """

    took_s: float
    peak_bytes: int


def command(*words: str, home: Path, variables: Mapping[str, str]) -> Done:
    """Runs `otel-job-measure`.

    Args:
        *words: What follows its name.
        home: Its user's home.
        variables: What its environment has besides.

    Raises:
        RuntimeError: It has failed.
    """
    told = home / "told.json"
    subprocess.run(
        [sys.executable, "-S", str(_ALONE), str(told), str(PROGRAM), *words],
        cwd=ROOT,
        env=environment(home) | dict(variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    found = json.loads(told.read_text())
    if found["code"] != 0:
        raise RuntimeError(f"otel-job-measure {' '.join(words)} ended with {found['code']}")
    return Done(took_s=found["took_s"], peak_bytes=found["peak_bytes"])


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
