"""The real programs between apps and InfluxDB, each test with processes of its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.acceptance.recorded import Runs
from tests.support.backend import Backend
from tests.support.collectors import TELEGRAF, Collector, Telegraf, built, variables_for
from tests.support.influx import InfluxServer
from tests.support.processes import Processes

ENVIRONMENT = dict(os.environ)  # as it was before the first test got one of its own


@pytest.fixture(scope="session")
def collector_binary() -> Path:
    """The OpenTelemetry Collector of collector/builder.yaml."""
    return built("collector", ENVIRONMENT)


@pytest.fixture(scope="session")
def telegraf_binary() -> Path:
    """Telegraf."""
    return built("telegraf", ENVIRONMENT)


@pytest.fixture(scope="session")
def node() -> Path:
    """The packages of a job in Node.js, and a Node.js beside them."""
    return built("node", ENVIRONMENT)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends what a test has started, the last first."""
    with ExitStack() as ending:
        yield ending


@pytest.fixture
def backend(stack: ExitStack) -> Backend:
    """A trace backend that takes everything."""
    made = Backend()
    stack.callback(made.close)
    return made


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts processes, none of which outlives the test."""
    # A busy machine takes more than the five seconds that a process waits at its end by default.
    with Processes(tmp_path / "processes", os.environ | {"OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "60"}) as started:
        yield started


@pytest.fixture
def runs(influx: InfluxServer, bucket: str) -> Runs:
    """The runs in a bucket for one test alone."""
    return Runs(influx=influx, bucket=bucket)


@pytest.fixture
def telegraf(telegraf_binary: Path, influx: InfluxServer, stack: ExitStack, tmp_path: Path) -> Callable[..., Telegraf]:
    """Starts a Telegraf that writes to a bucket, with what else its configurations take, in a folder of its own."""
    folders = (tmp_path / f"telegraf{number or ''}" for number in count())

    def start(bucket: str, *additions: str, file: Path = TELEGRAF, **more: str) -> Telegraf:
        made = Telegraf(telegraf_binary, next(folders), variables_for(influx, bucket) | more, *additions, file=file)
        stack.callback(made.stop)
        made.start()
        return made

    return start


@pytest.fixture
def agent(collector_binary: Path, influx: InfluxServer, stack: ExitStack, tmp_path: Path) -> Callable[..., Collector]:
    """Starts an agent that hands spans on to a backend and to a bucket, with what else its configurations take."""

    def start(bucket: str, traces: str, *configurations: str, **more: str) -> Collector:
        variables = variables_for(influx, bucket) | {"TRACES_ENDPOINT": traces} | more
        made = Collector(collector_binary, tmp_path / "agent", variables, "agent", *configurations)
        stack.callback(made.stop)
        made.start()
        return made

    return start


@pytest.fixture
def gateway(collector_binary: Path, stack: ExitStack, tmp_path: Path) -> Callable[..., Collector]:
    """Starts a gateway that hands spans on to a backend."""

    def start(traces: str, **more: str) -> Collector:
        variables = {"PATH": os.environ["PATH"], "TRACES_ENDPOINT": traces} | more
        made = Collector(collector_binary, tmp_path / "gateway", variables, "gateway")
        stack.callback(made.stop)
        made.start()
        return made

    return start
