"""Programs that a job starts get no descriptor of the package, however they are started."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.delivery.receivers import ACCEPTED, GrpcReceiver
from tests.delivery.support import TinyServer
from tests.support.uncovered import uncovered

ROOT: Final = Path(__file__).parents[2]
# Lists the open files of a program that a job starts without closing any, and those of the job itself.
APP: Final = """
import os, sys
LIST = '''
import os
shown = [number for number in range(3, 200) if os.path.lexists(f"/proc/self/fd/{number}")]
print([os.readlink(f"/proc/self/fd/{number}") for number in shown], flush=True)
'''
os.environ.update(zip(sys.argv[1::2], sys.argv[2::2]))
from otel_job_measure import JobMeasure
measure = JobMeasure()
with measure.run("job"):
    pass
assert measure.flush(20)
with measure.run("job"):
    exec(LIST)
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", LIST], os.environ)
    os.waitpid(child, 0)
measure.close(20)
"""


@pytest.fixture(params=["influxdb", "http/protobuf", "grpc"])
def variables(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Variables for a server of each kind."""
    if request.param == "grpc":
        receiver = GrpcReceiver()
        yield otlp(receiver.url, "grpc")
        receiver.close()
        return
    tiny = TinyServer()
    if request.param == "influxdb":
        yield {"INFLUXDB_URL": tiny.url, "INFLUXDB_TOKEN": "t", "INFLUXDB_ORG": "o", "INFLUXDB_BUCKET": "b"}
    else:
        tiny.always = ACCEPTED
        yield otlp(tiny.url, "http/protobuf")
    tiny.close()


def otlp(url: str, protocol: str) -> dict[str, str]:
    """Returns the variables of a receiver."""
    return {
        "OTEL_JOB_MEASURE_SINK": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
    }


def test_a_program_inherits_nothing(variables: dict[str, str]) -> None:
    """The process itself has its lock, its segment and connections open; a program of its job has none of them."""
    words = [text for pair in variables.items() for text in pair]
    done = subprocess.run(
        [sys.executable, "-c", APP, *words],
        cwd=ROOT,
        env=uncovered(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    own, inherited = done.stdout.splitlines()
    assert ".lp" in own
    assert "lock" in own
    assert "socket:" in own
    assert inherited == "[]"
