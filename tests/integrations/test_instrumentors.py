"""OpenTelemetry's own launcher measures schedulers without a line of code."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from otel_job_measure import names
from otel_job_measure.errors import MissingDependencyError
from otel_job_measure.integrations import apscheduler
from otel_job_measure.integrations.instrumentors import APSchedulerInstrumentor
from otel_job_measure.testing.conformance import Place, Recorded

ROOT = Path(__file__).parents[2]
LAUNCHER = [str(Path(sys.executable).parent / "opentelemetry-instrument"), "--traces_exporter", "none"]
QUIET = {
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "celery",
}


def launched(folder: Path, *command: str, **variables: str) -> str:
    """Runs a Python command with the launcher, and returns what it prints."""
    own = Place(state_dir=folder / "state", job="any").variables()
    environment = {**os.environ, **own, **QUIET, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(
        [*LAUNCHER, sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_app_that_knows_nothing_of_it(tmp_path: Path) -> None:
    """Its jobs in threads and in pools are measured."""
    told = json.loads(launched(tmp_path, "-m", "tests.integrations.zero_code"))
    assert set(told) == {"in-a-thread", "in-a-pool"}
    runs = Recorded.in_(tmp_path / "state").runs
    assert sorted((run.job, run.status) for run in runs) == [("in-a-pool", "end"), ("in-a-thread", "end")]


def test_it_can_be_turned_off_by_its_own_name(tmp_path: Path) -> None:
    """The name of another instrumentation of the same library is another one."""
    ours = "otel_job_measure_apscheduler,otel_job_measure_celery,otel_job_measure_rq"
    launched(tmp_path, "-m", "tests.integrations.zero_code", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=ours)
    assert Recorded.in_(tmp_path / "state").runs == []


def test_a_process_without_schedulers_loads_no_adapter(tmp_path: Path) -> None:
    """It has the instrumentors alone, and neither a scheduler nor the parts that measure.

    The foreign instrumentation of Celery imports Celery in every process; it is turned off here.
    """
    code = "import sys; print(*sorted(name for name in sys.modules if 'job_measure' in name or 'scheduler' in name))"
    assert launched(tmp_path, "-c", code).split() == [
        "otel_job_measure",
        "otel_job_measure.forks",
        "otel_job_measure.integrations",
        "otel_job_measure.integrations.instrumentors",
    ]


def test_no_extra_is_named_instruments() -> None:
    """The launcher would demand the libraries of such an extra."""
    assert "instruments" not in (metadata.metadata("otel-job-measure").get_all("Provides-Extra") or [])
    own = {point.name for point in metadata.entry_points(group="opentelemetry_instrumentor")}
    assert {f"{names.SCOPE}_{library}" for library in ("apscheduler", "celery", "rq")} <= own


def test_a_library_that_cannot_be_measured(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, and the app runs; instrumenting and uninstrumenting again is no harm."""

    def refuses(*_words: object, **_more: object) -> None:
        raise MissingDependencyError("APScheduler 3.10 is installed, which is not measured: pip install 'x'")

    monkeypatch.setattr(apscheduler, "install", refuses)
    __import__("apscheduler.schedulers.base")
    instrumentor = APSchedulerInstrumentor()
    instrumentor.instrument()
    instrumentor.instrument()
    instrumentor.uninstrument()
    assert len([record for record in caplog.records if "3.10 is installed" in record.getMessage()]) == 1
