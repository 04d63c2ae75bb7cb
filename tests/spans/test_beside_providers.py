"""Providers of other makes, and nonsense in OpenTelemetry's own variables: the constructor raises for neither."""

import json
import logging
import subprocess
import sys
import unittest.mock
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk import environment_variables
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_job_measure import JobMeasure
from tests.spans.support import App, Bench
from tests.support.uncovered import uncovered

_LOGFIRE = """
import logfire, json, sys
{before}
from otel_job_measure import JobMeasure
from otel_job_measure.testing import recorded_runs
{after}
with recorded_runs() as runs:
    measure = JobMeasure(state_dir={state_dir!r}, history=True)
    with measure.run("nightly"):
        pass
print(json.dumps([runs.one("nightly").status, measure.recorder.guards.counts()]))
"""
_CONFIGURE = "logfire.configure(send_to_logfire=False, console=False)"


class Slotted(trace.TracerProvider):
    """One that can be neither hashed, compared nor weakly referenced, and hides everything else."""

    __slots__ = ("_app",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, app: App) -> None:
        self._app = app

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __bool__(self) -> bool:
        raise RuntimeError

    def get_tracer(self, *arguments: Any, **more: Any) -> trace.Tracer:  # noqa: ANN401 - the API's
        return self._app.provider.get_tracer(*arguments, **more)

    def add_span_processor(self, processor: Any) -> None:  # noqa: ANN401 - the SDK's
        self._app.provider.add_span_processor(processor)


class SlottedMeters(metrics.MeterProvider):
    """The same for metrics."""

    __slots__ = ("inner",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, inner: metrics.MeterProvider) -> None:
        self.inner = inner

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def get_meter(self, *arguments: Any, **more: Any) -> metrics.Meter:  # noqa: ANN401 - the API's
        return self.inner.get_meter(*arguments, **more)


class Raising(trace.TracerProvider, metrics.MeterProvider):
    """One that is not ready yet."""

    @property
    def add_span_processor(self) -> object:
        raise RuntimeError

    def get_tracer(self, *arguments: Any, **more: Any) -> trace.Tracer:  # noqa: ANN401 - the API's
        raise StopIteration

    def get_meter(self, *arguments: Any, **more: Any) -> metrics.Meter:  # noqa: ANN401 - the API's
        raise StopIteration


@pytest.mark.parametrize(("before", "after"), [(_CONFIGURE, ""), ("", _CONFIGURE)], ids=["first", "second"])
def test_logfire_configured_first_or_second(tmp_path: Path, before: str, after: str) -> None:
    """Its providers have no hash."""
    code = _LOGFIRE.format(before=before, after=after, state_dir=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", code], env=uncovered(), capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["end", {}]


def test_a_provider_with_slots_gets_one_processor_and_its_spans() -> None:
    """However often it is used."""
    app = App()
    provider = Slotted(app)
    for bench in (Bench(provider), Bench(provider)):
        with bench.run():
            pass
        assert bench.journal.only.status == "end"
        assert "trace_id" in bench.journal.only.facts
        assert not bench.failures
    assert len(app.exporter.get_finished_spans()) == 2


def test_meter_providers_of_other_makes(tmp_path: Path) -> None:
    """With slots, without metrics; the one with metrics reports them."""
    reader = InMemoryMetricReader()
    provider = SlottedMeters(MeterProvider([reader], shutdown_on_exit=False))
    measure = JobMeasure(state_dir=tmp_path / "one", meter_provider=provider)
    JobMeasure(state_dir=tmp_path / "two", meter_provider=provider)
    JobMeasure(state_dir=tmp_path / "three", meter_provider=SlottedMeters(NoOpMeterProvider()))
    with measure.run("nightly"):
        pass
    found = reader.get_metrics_data()
    assert found is not None
    assert "otel_job_measure.points.pending" in found.to_json()
    measure.close(0)


def test_a_provider_that_raises_costs_the_span_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The constructor only raises for wrong settings."""
    raising = Raising()
    with caplog.at_level(logging.CRITICAL):
        measure = JobMeasure(state_dir=tmp_path, tracer_provider=raising, meter_provider=raising)
        with measure.run("nightly") as run:
            assert run.uuid
    measure.close(0)


class Answering(trace.TracerProvider):
    """One that answers everything, as mocks do."""

    def __init__(self, tracer: object) -> None:
        self._tracer: Any = tracer

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - anything
        return unittest.mock.MagicMock()

    def get_tracer(self, *arguments: Any, **more: Any) -> trace.Tracer:  # noqa: ANN401 - the API's
        tracer: trace.Tracer = self._tracer
        return tracer


class Refusing(Answering):
    """One that has no other attribute, and says so in its own way."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - nothing
        raise RuntimeError(name)


@pytest.mark.parametrize("kind", [Answering, Refusing])
@pytest.mark.parametrize("tracer", [unittest.mock.Mock(), unittest.mock.MagicMock(), trace.NoOpTracer(), None])
def test_what_answers_everything_or_nothing_loses_no_run(kind: type[Answering], tracer: object) -> None:
    """Mocks of a provider, of a tracer, of a span; the ids of a mock are no ids."""
    bench = Bench(kind(tracer))
    with bench.run():
        pass
    assert bench.journal.only.status == "end"
    assert "trace_id" not in bench.journal.only.facts


@pytest.mark.parametrize(
    "variable",
    [
        "OTEL_PYTHON_METER_PROVIDER",
        "OTEL_PYTHON_TRACER_PROVIDER",
        "OTEL_PYTHON_CONTEXT",
        "OTEL_PYTHON_ID_GENERATOR",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
        "OTEL_METRICS_EXEMPLAR_FILTER",
        "OTEL_SDK_DISABLED",
    ],
)
def test_nonsense_in_a_variable_of_opentelemetry_stops_no_job(tmp_path: Path, variable: str) -> None:
    """Not even where OpenTelemetry itself cannot be imported with it."""
    code = (
        "import os\nfrom otel_job_measure import JobMeasure, JobRun, job_measure\n"
        f"measure = JobMeasure(state_dir={str(tmp_path)!r})\n"
        "with measure.run('nightly') as run: print(len(run.uuid))\n"
        f"assert os.environ[{variable!r}] == 'non=sense,=,x'\nmeasure.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**uncovered(), variable: "non=sense,=,x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "12\n"), done.stderr


@pytest.mark.parametrize("value", ["non=sense,=,x", "-1", "99999999999999999999"])
def test_nonsense_in_all_variables_of_the_sdk_loses_nothing(tmp_path: Path, value: str) -> None:
    """Every variable that this version of the SDK knows, at once."""
    known = {str(name) for name in vars(environment_variables).values() if str(name).startswith("OTEL_")}
    assert len(known) > 50
    code = (
        "from otel_job_measure import JobMeasure\n"
        f"measure = JobMeasure(state_dir={str(tmp_path)!r}, ship=False)\n"
        "with measure.run('nightly'): print(measure.job(len)([1]))\nmeasure.health()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**uncovered(), **dict.fromkeys(known, value)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    lines = [line for file in tmp_path.rglob("*.lp") for line in file.read_text().splitlines()]
    assert sum(line.startswith("scheduling-job-run,") for line in lines) == 2
