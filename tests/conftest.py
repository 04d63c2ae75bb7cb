"""What all tests share: an environment of their own, and a real InfluxDB for those that ask for it."""

import concurrent.futures.thread  # noqa: F401  # pyright: ignore[reportUnusedImport] - after the first TracerProvider, the SDK would hang in forked children
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from opentelemetry import context

from tests.support.influx import HOW_TO_GET_ONE, InfluxServer, fresh_server, own_server
from tests.support.influxd import binary_path
from tests.support.ours import forget_measures, left_threads
from tests.support.telemetry import forget_global_providers

# As they were before the first test got an environment of its own.
_ENVIRONMENT = dict(os.environ)
_OUR_PREFIXES = ("INFLUXDB_", "OTEL_", "CLUSTER_DATACENTER", "PROJECT_NAME", "PROJECT_STAGE", "TRACEPARENT")

# A busy machine is slow now and then: how long a test may take is pytest-timeout's business.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that use the server, so that `-m 'not influxdb'` leaves them out."""
    for item in items:
        if "influx" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.influxdb)


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """A real server: the user's own, or one for each pytest process, started by the first test that asks."""
    if server := own_server(_ENVIRONMENT):
        yield server
        server.clean()
        return
    binary = binary_path(_ENVIRONMENT)
    if not binary.exists():
        if _ENVIRONMENT.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(HOW_TO_GET_ONE, pytrace=False)
        pytest.skip(HOW_TO_GET_ONE)
    with fresh_server(binary, tmp_path_factory.mktemp("influxd")) as server:
        yield server


@pytest.fixture
def bucket(influx: InfluxServer) -> str:
    """A bucket for one test alone."""
    influx.start()
    return influx.new_bucket()


@pytest.fixture(autouse=True)
def _server_runs(request: pytest.FixtureRequest) -> None:
    """Starts the server again where the test before left it stopped."""
    if "influx" in request.fixturenames:
        request.getfixturevalue("influx").start()


@pytest.fixture(autouse=True)
def state_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The state directory of one test; the environment names nothing else of us, InfluxDB, OpenTelemetry."""
    for name in list(os.environ):
        if name.startswith(_OUR_PREFIXES):
            monkeypatch.delenv(name)
    folder = tmp_path / "state"
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("OTEL_JOB_MEASURE_STATE_DIR", str(folder))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    return folder


@pytest.fixture(autouse=True)
def _nothing_of_ours_left() -> Iterator[None]:
    """A process in which no `JobMeasure` was made; afterwards no thread of ours lives."""
    yield
    forget_measures()
    assert left_threads() == []


@pytest.fixture(autouse=True)
def _no_telemetry_left() -> Iterator[None]:
    """OpenTelemetry as in a new process: no global provider, no span that is current."""
    forget_global_providers()
    token = context.attach(context.Context())
    yield
    context.detach(token)
    forget_global_providers()
