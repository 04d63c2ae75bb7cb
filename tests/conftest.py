"""What all tests share: an environment of their own, and a real InfluxDB for those that ask for it."""

import concurrent.futures.thread  # noqa: F401  # pyright: ignore[reportUnusedImport] - after the first TracerProvider, the SDK would hang in forked children
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from signal import SIG_DFL, SIG_IGN, default_int_handler
from typing import cast

import hypothesis
import pytest
from opentelemetry import context

from tests.support.generations import GENERATIONS, REAL, AnyInflux, Opened
from tests.support.influx import InfluxServer
from tests.support.influxd import VERSION
from tests.support.orphans import end_with_this_process
from tests.support.ours import forget_measures, left_threads
from tests.support.telemetry import forget_global_providers

# As they were before the first test got an environment of its own.
_ENVIRONMENT = dict(os.environ)
_OUR_PREFIXES = ("INFLUXDB_", "OTEL_", "CLUSTER_DATACENTER", "PROJECT_NAME", "PROJECT_STAGE", "TRACEPARENT")

# A busy machine is slow now and then: how long a test may take is pytest-timeout's business.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    """Lets no process of a test outlive this one, also if this one is killed, and none ignore a signal from its begin.

    The background jobs of a shell ignore SIGINT and SIGQUIT, and `nohup` has SIGHUP ignored.
    """
    config.add_cleanup(end_with_this_process())
    for number, default in ((signal.SIGHUP, SIG_DFL), (signal.SIGINT, default_int_handler), (signal.SIGQUIT, SIG_DFL)):
        if signal.getsignal(number) is SIG_IGN:
            signal.signal(number, default)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that use the server, so that `-m 'not influxdb'` leaves them out."""
    for item in items:
        if {"influx", "any_influx", "real_influx"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.influxdb)


@pytest.fixture(scope="session")
def generations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The servers of this pytest process, each started by the first test that asks for it."""
    opened = Opened(_ENVIRONMENT, lambda name: tmp_path_factory.mktemp(f"influxd-{name}"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def influx(generations: Opened) -> InfluxServer:
    """A real server of generation 2: the user's own, or one for each pytest process."""
    return cast("InfluxServer", generations.get(VERSION))


@pytest.fixture(params=GENERATIONS)
def any_influx(request: pytest.FixtureRequest, generations: Opened) -> AnyInflux:
    """A server of each generation in turn, real ones and stubs."""
    return generations.get(str(request.param))


@pytest.fixture(params=REAL)
def real_influx(request: pytest.FixtureRequest, generations: Opened) -> InfluxServer:
    """A real server of each generation that can be had, in turn; `token` and `influxql` work on all of them."""
    return cast("InfluxServer", generations.get(str(request.param)))


@pytest.fixture
def any_bucket(any_influx: AnyInflux) -> str:
    """A bucket of that server for one test alone."""
    return any_influx.new_bucket()


@pytest.fixture
def bucket(influx: InfluxServer) -> str:
    """A bucket for one test alone."""
    influx.start()
    return influx.new_bucket()


@pytest.fixture
def real_bucket(real_influx: InfluxServer) -> str:
    """A bucket of that server for one test alone."""
    return real_influx.new_bucket()


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


@pytest.fixture
def long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that a test starts may take a minute to send their last points: the machine may be busy."""
    monkeypatch.setenv("OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT", "60s")


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
