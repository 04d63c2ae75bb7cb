"""What is loaded: at the import, with a first run, and by `exec` where it only appends."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.guard.bounds import BOUNDS
from tests.runtime.support import ROOT
from tests.support.uncovered import uncovered

_NEW: Final = """
import json, sys
{first}
before = set(sys.modules)
{then}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
_SDK: Final = """
import opentelemetry.sdk.trace, opentelemetry.sdk.resources, opentelemetry.metrics, opentelemetry.trace
import opentelemetry.sdk.trace.sampling
"""
_MAKE: Final = """
from otel_job_measure import JobMeasure
where = {"influxdb_url": "http://127.0.0.1:9", "influxdb_org": "o", "influxdb_bucket": "b"}
measure = JobMeasure(ship=False, history=False, **where)
"""
_RUN: Final = f"""{_MAKE}
with measure.run("x"):
    pass
"""
_EXEC: Final = "from otel_job_measure.cli import main; main(['exec', 'x', '--', 'true'])"
_SENDS: Final = ("influxdb_client", "urllib3", "requests", "ssl", "http.client")
_OTHERS: Final = ("rich", "google.protobuf", "grpc", "asyncio", "email", "decimal")


def loaded(then: str, state_dir: Path, *, first: str = "") -> set[str]:
    """Returns the modules that code loads, besides those that were there before."""
    done = subprocess.run(
        [sys.executable, "-c", _NEW.format(first=first, then=then)],
        cwd=ROOT,
        env={**uncovered(), "OTEL_JOB_MEASURE_STATE_DIR": str(state_dir), "OTEL_JOB_MEASURE_SHIP": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return set(found)


def among(modules: set[str], *unwanted: str) -> list[str]:
    """Returns those modules that are unwanted, or inside an unwanted one."""
    return sorted(module for module in modules if any(f"{module}.".startswith(f"{name}.") for name in unwanted))


def test_the_import_loads_next_to_nothing(tmp_path: Path) -> None:
    """Neither the SDK nor anything of ours but what a fork waits for."""
    modules = loaded("import otel_job_measure", tmp_path)
    assert among(modules, "otel_job_measure") == ["otel_job_measure", "otel_job_measure.forks"]
    assert len(modules) <= BOUNDS.modules_import, sorted(modules)


def test_a_first_run_that_only_appends_loads_nothing_that_sends(tmp_path: Path) -> None:
    """On top of the SDK, which an app that traces has anyhow."""
    modules = loaded(_RUN, tmp_path, first=_SDK)
    assert among(modules, *_SENDS, *_OTHERS, "sqlite3") == []
    assert len(modules) <= BOUNDS.modules_measure, sorted(modules)


def test_a_second_run_loads_nothing(tmp_path: Path) -> None:
    """Whatever a run needs is there after the first."""
    assert loaded(_RUN, tmp_path, first=f"{_SDK}{_RUN}") == set()


def test_exec_that_only_appends_loads_what_it_uses(tmp_path: Path) -> None:
    """No SDK, no parser, no recovery, no history: `exec` starts with each line of a crontab."""
    loaded(_EXEC, tmp_path)  # looks after what others left, which is done only now and then
    modules = loaded(_EXEC, tmp_path)
    ours = [f"otel_job_measure.{name}" for name in ("points.line_protocol", "journal.recovery", "history", "delivery")]
    assert among(modules, *_SENDS, *_OTHERS, *ours, "opentelemetry", "sqlite3", "difflib") == []
    assert len(modules) <= BOUNDS.modules_exec, sorted(modules)


@pytest.mark.parametrize("door", ["job", "run", "middleware", "sync_middleware"])
def test_the_doors_are_there_without_more(door: str, tmp_path: Path) -> None:
    """Asking for one loads nothing that the first run hasn't."""
    assert loaded(f"measure.{door}", tmp_path, first=_MAKE) == set()
