"""docs/schedulers.md: its examples run, and its table is the one that the suite makes."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_job_measure import JobMeasure, JobSpanProcessor
from otel_job_measure.testing import recorded_runs
from otel_job_measure.testing.conformance import BEHAVIOURS, results_of, table

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "schedulers.md"
MARK: Final = "<!-- table -->\n"


def example(heading: str) -> str:
    """Returns all Python code of a section."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))


def run(code: str, folder: Path) -> None:
    """Runs code as a program of its own."""
    program = folder / "program.py"
    program.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(program)], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_recipe_of_apscheduler(tmp_path: Path) -> None:
    """Six lines measure a job, as soon as it is due."""
    code = example("APScheduler")
    assert len([line for line in code.splitlines() if line]) == 6
    check = """
import threading
from otel_job_measure.testing import recorded_runs
over = threading.Event()
scheduler.add_listener(lambda event: over.set(), 4096)
with recorded_runs() as runs:
    now = __import__("datetime").datetime.now().astimezone()
    scheduler.modify_job("nightly", next_run_time=now, misfire_grace_time=None)  # however late its turn comes
    over.wait()
    assert [(run.job, run.status) for run in runs] == [("nightly", "end")]
scheduler.shutdown()
"""
    run(code + check, tmp_path)


@pytest.mark.parametrize("scheduler", ["Celery", "RQ"])
def test_one_line_installs_an_adapter(scheduler: str, tmp_path: Path) -> None:
    """What it measures, docs/recipes.md shows and tries with a broker."""
    run(example(scheduler), tmp_path)


def test_the_adapter_and_its_driver(tmp_path: Path) -> None:
    """A stranger's adapter of 40 lines passes the suite."""
    run(example("An adapter of your own"), tmp_path)
    adapter = example("An adapter of your own").split("patches = Patches()")[1].split("\nfrom pathlib")[0]
    assert len([line for line in adapter.splitlines() if line.strip()]) <= 40


@pytest.mark.parametrize(
    ("attributes", "is_error", "ending"),
    [
        ({"celery.state": "SUCCESS"}, False, "end"),
        ({"celery.state": "RETRY"}, False, "retry"),
        ({"celery.state": "REJECTED"}, False, "rejected"),
        ({"celery.state": "IGNORED"}, False, "skipped"),
        ({"celery.state": "FAILURE"}, True, "error"),
        ({"celery.state": "UNKNOWN"}, False, "error"),
        ({}, False, "error"),
    ],
)
def test_the_rule_for_spans_of_celery(attributes: Mapping[str, str], is_error: bool, ending: str) -> None:  # noqa: FBT001 - a parameter
    """A missing state is a failure."""
    names: dict[str, Any] = {}
    exec(example("Spans of other instrumentations"), names)  # noqa: S102 - the page's own
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(JobSpanProcessor(JobMeasure(), rules=[names["celery"]]))
    tracer = provider.get_tracer("opentelemetry.instrumentation.celery")
    with recorded_runs() as runs:
        span = tracer.start_span("run/app.nightly", kind=trace.SpanKind.CONSUMER)
        span.set_attributes(dict(attributes))
        if is_error:
            span.set_status(trace.StatusCode.ERROR)
        span.end()
        run = runs.one("app.nightly")
    assert (run.reason or run.status) == ending


def test_the_table_is_the_suites() -> None:
    """`python -m tests.docs.test_schedulers` writes it."""
    assert PAGE.read_text().partition(MARK)[2] == made()


def made() -> str:
    """Returns the table of the package's own adapters, whose tests try every cell."""
    modules = ("test_apscheduler", "celery_driver", "rq_driver", "test_futures")
    found = [driver for name in modules for driver in importlib.import_module(f"tests.integrations.{name}").DRIVERS]
    return table({driver.name: results_of(driver) for driver in found})


def test_every_behaviour_is_in_the_table() -> None:
    """No cell is left out."""
    assert all(f"| {behaviour.name} |" in made() for behaviour in BEHAVIOURS)


if __name__ == "__main__":
    before, mark, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(f"{before}{mark}{made()}")
