"""Apps that know nothing of this package, started by OpenTelemetry's launcher or configured by its file."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest

from otel_job_measure.errors import MissingDependencyError
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.integrations import apscheduler, celery, rq
from otel_job_measure.integrations.instrumentors import APSchedulerInstrumentor
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings
from tests.integrations import zero_celery
from tests.support.brokers import Redis
from tests.support.processes import ROOT, until
from tests.support.uncovered import uncovered

_OURS: Final = "otel_job_measure_celery"
_CONFIGURATOR: Final = """
[opentelemetry_configurator]
configurator = opentelemetry.sdk._configuration:_OTelSDKConfigurator
"""
_CONFIGURATION: Final = """
file_format: "1.0"
tracer_provider:
  processors:
    - simple: {exporter: {console: }}
instrumentation/development:
  python:
"""

Works = Callable[..., tuple[list[RunRecord], str]]


@pytest.fixture
def works(tmp_path: Path, redis: Redis) -> Iterator[Works]:
    """Has a worker of Celery run one task; returns the runs, and what the worker said."""
    broker = redis.url.replace("/0", "/4")
    environment = uncovered() | {
        "BROKER": broker,
        "OTEL_JOB_MEASURE_STATE_DIR": str(tmp_path / "state"),
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "PYTHONUNBUFFERED": "1",
    }
    processes: list[subprocess.Popen[bytes]] = []

    def work(**variables: str) -> tuple[list[RunRecord], str]:
        done = tmp_path / "done"
        task: Any = zero_celery.nightly
        with zero_celery.app.connection_for_write(broker) as connection:
            zero_celery.app.control.purge(connection=connection)
            task.apply_async([str(done)], connection=connection)
        place = Path(sys.executable).parent
        command = [str(place / "opentelemetry-instrument"), str(place / "celery"), "-A", zero_celery.__name__, "worker"]
        with (tmp_path / "said").open("wb") as said:
            processes.append(
                subprocess.Popen(
                    [*command, "-P", "solo", "--without-gossip", "--without-mingle"],
                    env=environment | variables,
                    stdout=said,
                    stderr=said,
                )
            )
        until(done.exists, "the task")
        processes[-1].terminate()
        assert processes[-1].wait(60) == 0
        history, _ = up_to_date(Settings(state_dir=tmp_path / "state"))
        return history.latest(limit=10), (tmp_path / "said").read_text()

    yield work
    for process in processes:
        process.kill()
        process.wait()


def _told(runs: list[RunRecord]) -> list[tuple[Any, ...]]:
    return [(run.job, run.status, run.attempt) for run in runs]


@pytest.mark.parametrize(
    ("disabled", "told"),
    [("", [("nightly", "end", 1)]), ("celery", [("nightly", "end", 1)]), (f"{_OURS}, celery", []), (_OURS, [])],
)
def test_a_worker_of_celery(works: Works, disabled: str, told: list[tuple[Any, ...]]) -> None:
    """It is measured once, with and without the other instrumentation of Celery; either has a name of its own."""
    runs, said = works(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=disabled)
    assert _told(runs) == told
    assert "Traceback" not in said


@pytest.mark.parametrize("order", [("celery", _OURS), (_OURS, "celery")])
def test_a_configuration_file(works: Works, tmp_path: Path, order: tuple[str, str]) -> None:
    """It names the instrumentations, in any order: the run has the ids of the one span that there is."""
    distro = tmp_path / "distro-1.dist-info"
    distro.mkdir()
    (distro / "METADATA").write_text("Metadata-Version: 2.1\nName: distro\nVersion: 1\n")
    (distro / "entry_points.txt").write_text(_CONFIGURATOR)
    file = tmp_path / "otel.yaml"
    file.write_text(_CONFIGURATION + "".join(f"    {name}: {{}}\n" for name in order))
    runs, said = works(OTEL_CONFIG_FILE=str(file), OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*")
    assert _told(runs) == [("nightly", "end", 1)]
    assert re.findall(r'"name": "(run.*nightly)"', said) == ["run/nightly"]
    assert runs[0].span_id is not None
    assert f'"span_id": "0x{runs[0].span_id}"' in said


def test_a_library_that_is_too_old(works: Works, tmp_path: Path) -> None:
    """It is said once, with what to install, and the app runs."""
    old = tmp_path / "celery-5.2.7.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: celery\nVersion: 5.2.7\n")
    runs, said = works()
    assert runs == []
    assert said.count("Celery 5.2.7 is installed, which is not measured: pip install 'celery>=5.3'") == 1


@pytest.mark.parametrize(
    ("install", "words"),
    [
        (apscheduler.install, "APScheduler is not installed: pip install 'apscheduler>=3.11,<4'"),
        (celery.install, "Celery is not installed: pip install 'celery>=5.3'"),
        (rq.install, "RQ is not installed: pip install 'rq>=2,<4'"),
    ],
)
def test_a_library_that_is_missing(install: Callable[[], None], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that asks for its adapter gets one error, which says what to install."""

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(MissingDependencyError) as raised:
        install()
    assert str(raised.value) == words


def test_options_that_there_are_not(caplog: pytest.LogCaptureFixture) -> None:
    """A configuration file or a distribution may give some: they change nothing, which is said."""
    instrumentor = APSchedulerInstrumentor()
    instrumentor.instrument(project="shop", stage="test")
    instrumentor.uninstrument()
    assert [record.getMessage() for record in caplog.records] == [
        "APSchedulerInstrumentor takes no project, stage: its settings are environment variables"
    ]
