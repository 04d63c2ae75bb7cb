"""The line protocol parser of InfluxDB 3, as a program that `tests/servers/lp3.sh` builds."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.influx import HOW_TO_GET_ONE
from tests.support.influxd import is_ci

SCRIPT: Final = Path(__file__).parents[1] / "servers" / "lp3.sh"


def program_of(environment: Mapping[str, str]) -> Path:
    """Returns where `make servers` puts the program, whether it is there or not."""
    found = subprocess.run([SCRIPT, "--path"], env=dict(environment), check=True, capture_output=True, text=True)
    return Path(found.stdout.strip())


def grammar3(environment: Mapping[str, str]) -> Path:
    """Returns the program; without it the test is skipped, and fails under CI."""
    program = program_of(environment)
    if not program.exists():
        if is_ci(environment):
            pytest.fail(HOW_TO_GET_ONE, pytrace=False)
        pytest.skip(HOW_TO_GET_ONE)
    return program


def read_by_3(program: Path, data: bytes) -> list[dict[str, Any]]:
    """Returns what InfluxDB 3 makes of each line: `measurement`, `tags`, `fields` and `time_ns`, or `error`."""
    done = subprocess.run([program], input=data, check=True, capture_output=True)
    return [json.loads(line) for line in done.stdout.split(b"\n") if line]
