"""The processes of an acceptance test, and a look at what they left when it is over."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from tests.acceptance.recorded import Runs
from tests.support.generations import Opened
from tests.support.influx import InfluxServer
from tests.support.influxd import VERSION, VERSIONS_1
from tests.support.processes import Processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The tokens of a test, and the files where it put them itself."""

    tokens: list[str] = field(default_factory=list[str], repr=False)
    files: list[Path] = field(default_factory=list[Path])

    def write(self, path: Path, text: str) -> Path:
        """Writes a file that may hold a token."""
        path.touch(0o600)
        path.write_text(text)
        self.files.append(path)
        return path


@pytest.fixture(params=[VERSIONS_1[-1], VERSION])
def influx(request: pytest.FixtureRequest, generations: Opened) -> InfluxServer:
    """A real server of generation 1, then one of generation 2."""
    return cast("InfluxServer", generations.get(str(request.param)))


@pytest.fixture
def secrets(influx: InfluxServer, tmp_path: Path) -> Iterator[Secrets]:
    """The test's tokens and passwords: when it is over, none is in any file, log or output of any process."""
    found = Secrets(tokens=[influx.token.rpartition(":")[2]])
    yield found
    assert holders(tmp_path, found) == []


@pytest.fixture
def processes(tmp_path: Path, secrets: Secrets) -> Iterator[Processes]:
    """Starts processes; all log at DEBUG to their stderr, and none of them outlives the test."""
    # A busy machine takes more than the five seconds that a process waits at its end by default.
    with Processes(tmp_path / "processes", os.environ | {"OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "60"}) as started:
        yield started


@pytest.fixture
def runs(influx: InfluxServer, bucket: str) -> Runs:
    """The runs in a bucket for one test alone."""
    return Runs(influx=influx, bucket=bucket)


def holders(folder: Path, secrets: Secrets) -> list[Path]:
    """Returns the files that hold a token, wherever they are in a folder, without those of the test itself."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path not in secrets.files]
    return [path for path in files if any(token.encode() in path.read_bytes() for token in secrets.tokens)]
