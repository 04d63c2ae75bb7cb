import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import Secrets, holders
from tests.acceptance.recorded import Runs
from tests.support.processes import Processes

pytestmark = pytest.mark.acceptance
CODE = """
import logging, runpy
logging.basicConfig(level=logging.DEBUG)
runpy.run_module("otel_job_measure", run_name="__main__")
"""
LOUD = [sys.executable, "-c", CODE]


def test_no_token_is_shown_or_kept(processes: Processes, runs: Runs, secrets: Secrets, tmp_path: Path) -> None:
    """Whether a token is right or refused, and whatever fails, it is in no file, log at DEBUG or output."""
    refused = "refused-token-of-a-test"
    secrets.tokens.append(refused)
    name = runs.influx.secret_variable
    wrong = runs.variables | {name: refused}
    for variables in (runs.variables, wrong, wrong | {"INFLUXDB_URL": f"{runs.influx.url}/nowhere"}):
        app = processes.driver(**variables)
        uuids = [app.run("shy"), app.tell("fail", "shy")]
        app.tell("flush", "0.5")
        assert app.end() == 0
        executed = processes.start(*LOUD, "exec", "shy", "--", "sh", "-c", "exit 3", **variables)
        shipped = processes.start(*LOUD, "ship", "--once", **variables)
        assert (executed.end(), "DEBUG:" in executed.stderr) == (3, True)
        shipped.finish()
        assert f"DEBUG:otel_job_measure.spans.recorder:job 'shy' started, run {uuids[0]}" in app.stderr
    with runs.influx.stopped():
        app = processes.driver(**runs.variables)
        app.run("shy")
        assert app.tell("flush", "0.1") is False
        assert app.end() == 0
    bad = processes.driver(**runs.variables | {name: f"{runs.variables[name]}\x07"})
    assert (bad.end(), name in bad.stderr) == (1, True)
    assert holders(tmp_path, secrets) == []


def test_a_token_that_is_kept_would_be_found(secrets: Secrets, tmp_path: Path) -> None:
    """The look at what processes leave sees a token wherever it is, but for the files of the test itself."""
    secrets.write(tmp_path / "own", secrets.tokens[0])
    left = tmp_path / "a" / "b"
    left.parent.mkdir()
    left.write_text(f"x{secrets.tokens[0]}x")
    assert holders(tmp_path, secrets) == [left]
    left.unlink()
