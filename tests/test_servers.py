import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import metrics, trace

from tests.support.generations import AnyInflux, Opened
from tests.support.influx import InfluxServer, Row, own_server
from tests.support.influx1 import InfluxServer1, fresh_server_1
from tests.support.influxd import VERSIONS_1, binary_path
from tests.support.telemetry import forget_global_providers

POINT = r'scheduling-job,job=a\ b,stage=test uuid="line 1\n",status="start" 1700000000123456789'


def test_a_point_comes_back_exactly(any_influx: AnyInflux, any_bucket: str) -> None:
    """What is written to a bucket is what is read from it, to the nanosecond."""
    any_influx.write(POINT, any_bucket)
    fields = {"uuid": "line 1\\n", "status": "start"}
    expected = Row(
        measurement="scheduling-job",
        tags={"job": "a b", "stage": "test"},
        fields=fields,
        time_ns=1700000000123456789,
    )
    assert any_influx.lines(any_bucket) == [expected]


def test_both_query_languages_see_it(influx: InfluxServer, bucket: str) -> None:
    """Flux and InfluxQL read the same bucket."""
    influx.write(POINT, bucket)
    flux = influx.flux(f'from(bucket: "{bucket}") |> range(start: 0) |> filter(fn: (r) => r._field == "status")')
    assert [(row["job"], row["_value"]) for row in flux] == [("a b", "start")]
    influxql = influx.influxql('SELECT "status" FROM "scheduling-job" GROUP BY "job"', bucket)
    assert influxql == [{"time": 1700000000123456789, "job": "a b", "status": "start"}]


def test_an_influxql_error_is_an_error(influx: InfluxServer, bucket: str) -> None:
    """InfluxQL answers 200 to a query that it can't run; the helper raises all the same."""
    with pytest.raises(RuntimeError, match="failed to parse query"):
        influx.influxql("SELECT", bucket)
    with pytest.raises(RuntimeError, match="database not found"):
        influx.influxql("SELECT * FROM m", "no-such-bucket")


def test_a_writer_of_1x_only_writes(generations: Opened, tmp_path: Path) -> None:
    """A user of a job may write to its database and read nothing; a server without users asks for none."""
    server = cast("InfluxServer1", generations.get(VERSIONS_1[-1]))
    database = server.new_bucket()
    job = InfluxServer1(url=server.url, token=server.write_only_token(database), org="-", bucket=database)
    job.write("m f=1 1")
    with pytest.raises(RuntimeError, match="403"):
        job.write("m f=1 1", server.bucket)
    assert server.process is not None
    with fresh_server_1(server.process.binary, tmp_path, VERSIONS_1[-1], auth=False) as open_server:
        open_server.write("m f=1 1")
        assert len(open_server.lines()) == 1


def test_a_write_only_token_only_writes(influx: InfluxServer, bucket: str) -> None:
    """The token of a job may write to its bucket and read nothing."""
    token = influx.write_only_token(bucket)
    job = InfluxServer(url=influx.url, token=token, org=influx.org, bucket=bucket)
    job.write("m f=1 1")
    with pytest.raises(RuntimeError, match="insufficient permissions for write"):
        job.write("m f=1 1", influx.bucket)
    with pytest.raises(RuntimeError, match="database not found"):
        job.lines()
    assert len(influx.lines(bucket)) == 1


def test_a_bucket_can_forget(influx: InfluxServer) -> None:
    """A bucket with a retention refuses what is older."""
    bucket = influx.new_bucket(retention_s=3600)
    with pytest.raises(RuntimeError, match="outside retention policy"):
        influx.write("m f=1 1", bucket)


@pytest.mark.parametrize("hard", [pytest.param(False, id="terminated"), pytest.param(True, id="killed")])
def test_a_stopped_server_starts_again_with_its_data(any_influx: AnyInflux, any_bucket: str, *, hard: bool) -> None:
    """A server that was down comes back at the same address and has what it acknowledged."""
    any_influx.write(POINT, any_bucket)
    with any_influx.stopped(hard=hard), pytest.raises(URLError):
        urlopen(f"{any_influx.url}/health", timeout=5)
    assert len(any_influx.lines(any_bucket)) == 1


def test_a_frozen_server_answers_nothing(any_influx: AnyInflux, any_bucket: str) -> None:
    """A server that hangs accepts a connection and lets it wait."""
    with any_influx.frozen(), pytest.raises(TimeoutError):
        urlopen(f"{any_influx.url}/health", timeout=0.2)
    assert any_influx.lines(any_bucket) == []


def test_a_test_may_leave_the_server_stopped(influx: InfluxServer) -> None:
    """The next test that asks for the server finds it running."""
    influx.stop()
    influx.start()
    influx.start()
    assert influx.lines() == []


def test_the_variables_name_the_bucket(influx: InfluxServer, bucket: str) -> None:
    """A child process gets the server by its environment; the token is in no repr."""
    assert influx.variables(bucket)["INFLUXDB_BUCKET"] == bucket
    assert influx.token not in repr(influx)


def test_a_server_of_the_users_own() -> None:
    """INFLUXDB_TEST_URL asks for its three companions."""
    names = ["URL", "TOKEN", "ORG", "BUCKET"]
    environment = {f"INFLUXDB_TEST_{name}": f"http://{name}/" for name in names}
    assert own_server({}) is None
    server = own_server(environment)
    assert server is not None
    assert server.url == "http://URL"
    with pytest.raises(pytest.UsageError, match="INFLUXDB_TEST_ORG"):
        own_server(environment | {"INFLUXDB_TEST_ORG": ""})


def test_where_a_built_server_is() -> None:
    """The cache is outside the checkout, where the script puts it."""
    end = "influxd-2.7.12/influxd"
    assert binary_path({"HOME": "/h"}) == Path("/h/.cache/otel-job-measure/servers", end)
    assert binary_path({"HOME": "/h", "XDG_CACHE_HOME": "/c"}) == Path("/c/otel-job-measure/servers", end)
    assert binary_path({"HOME": "/h"}, "1.8.10").parts[-2:] == ("influxd-1.8.10", "influxd")
    assert binary_path({"HOME": "/h", "OTEL_JOB_MEASURE_SERVERS": "/s"}) == Path("/s", end)


def test_a_killed_test_process_leaves_no_server(influx: InfluxServer, tmp_path: Path) -> None:
    """The server of a test process that ends by SIGKILL ends too."""
    if influx.process is None:
        pytest.skip("INFLUXDB_TEST_URL is a server of your own")
    code = (
        "import os, sys; from pathlib import Path; from tests.support.influxd import ServerProcess\n"
        "process = ServerProcess(Path(sys.argv[1]), Path(sys.argv[2])); process.start()\n"
        "print(process.url, flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code, str(influx.process.binary), str(tmp_path)]
    root = Path(__file__).parents[1]
    url = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, check=False).stdout.decode().strip()
    assert url.startswith("http://127.0.0.1:")
    with pytest.raises((URLError, ConnectionError)):
        _knock_until_nobody_answers(url)


@contextmanager
def held(folder: Path) -> Generator[None]:
    """A pipe `held`, for processes to hold open; at the end, it waits until the last one of them has ended."""
    os.mkfifo(folder / "held")
    reader = os.open(folder / "held", os.O_RDONLY | os.O_NONBLOCK)
    yield
    os.set_blocking(reader, True)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b""


@pytest.mark.parametrize("way", ["stopped", "stopped hard", "a killed test process", "it never answers"])
def test_no_part_of_a_server_outlives_it(tmp_path: Path, way: str) -> None:
    """What a server's script has started ends with it, as RabbitMQ's node does."""
    code = (
        "import os, sys; from pathlib import Path; from tests.support.watched import WatchedProcess\n"
        "folder, way = Path(sys.argv[1]), sys.argv[2]; began = folder / 'began'\n"
        'script = f\'exec 3>held; sleep 600 & touch began; {"exit" if way == "it never answers" else "wait"}\'\n'
        "process = WatchedProcess(['sh', '-c', script], folder, lambda: 'never' not in way and began.exists())\n"
        "process.start()\n"
        "os.kill(os.getpid(), 9) if 'killed' in way else process.stop(hard='hard' in way)"
    )
    command = [sys.executable, "-c", code, str(tmp_path), way]
    with held(tmp_path):
        done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert (tmp_path / "began").exists()
    assert ("sh doesn't answer; its exit code is 0" in done.stderr) == (way == "it never answers")


def test_a_killed_test_process_leaves_no_process(tmp_path: Path) -> None:
    """What its tests have started ends too: a worker of Celery would look for its broker for ever."""
    code = (
        "import os, subprocess, sys; from tests.support.orphans import end_with_this_process\n"
        "end_with_this_process(); script = 'exec 3>held; echo began; sleep 600 & wait'\n"
        "more = dict(cwd=sys.argv[1], stdout=subprocess.PIPE, start_new_session=True)\n"
        "held = subprocess.Popen(['sh', '-c', script], **more)\n"
        "held.stdout.readline(); os.kill(os.getpid(), 9)"
    )
    with held(tmp_path):
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[1], check=False)


def _knock_until_nobody_answers(url: str) -> None:
    while True:
        urlopen(f"{url}/health", timeout=60).close()


def test_the_environment_is_the_tests_own(state_dir: Path, tmp_path: Path) -> None:
    """No setting of the machine reaches a test, and nothing a test writes reaches the machine."""
    ours = [name for name in os.environ if name.startswith(("INFLUXDB_", "OTEL_", "PROJECT_", "CLUSTER_DATA"))]
    assert ours == ["OTEL_JOB_MEASURE_STATE_DIR"]
    assert os.environ["OTEL_JOB_MEASURE_STATE_DIR"] == str(state_dir)
    assert Path.home().is_relative_to(tmp_path)


def test_global_providers_are_forgotten() -> None:
    """A provider that one test sets is not there for the next one, and can be set again."""
    for _ in range(2):
        tracers, meters = trace.NoOpTracerProvider(), metrics.NoOpMeterProvider()
        trace.set_tracer_provider(tracers)
        metrics.set_meter_provider(meters)
        assert trace.get_tracer_provider() is tracers
        assert metrics.get_meter_provider() is meters
        forget_global_providers()


@given(st.text())
def test_properties_run_in_this_environment(text: str) -> None:
    """Hypothesis has nothing against the fixtures that every test gets."""
    assert text.encode(errors="surrogatepass").decode(errors="surrogatepass") == text
