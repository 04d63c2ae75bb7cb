"""What a run costs its job, counted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.guard.bounds import BOUNDS, RETAINED_BLOCKS, SYSTEM_CALLS
from tests.runtime.support import ROOT
from tests.support.uncovered import uncovered

_LINES: Final = {
    "plain": BOUNDS.lines,
    "traced": BOUNDS.lines_traced,
    "other": BOUNDS.lines_other_span,
}


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Returns what is counted of a run without tracing, one in an app that exports, and a span that is no job's."""
    return {what: _counted(what, tmp_path_factory.mktemp(what)) for what in _LINES}


def _counted(what: str, state_dir: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.guard.counting", what, str(state_dir)]
    done = subprocess.run(command, cwd=ROOT, env=uncovered(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("what", _LINES)
def test_a_run_executes_no_more_lines(what: str, counts: dict[str, dict[str, Any]]) -> None:
    """Of this package, on the job's thread."""
    assert 0 < counts[what]["lines"] <= _LINES[what]


@pytest.mark.parametrize("what", ["plain", "traced"])
def test_a_run_makes_no_more_system_calls(what: str, counts: dict[str, dict[str, Any]]) -> None:
    """Two appends and an id, and nothing that is asked for twice."""
    assert counts[what]["calls"] == SYSTEM_CALLS


def test_a_span_that_is_no_jobs_makes_no_system_call(counts: dict[str, dict[str, Any]]) -> None:
    """Whatever our processor does there, it does in memory."""
    assert counts["other"]["calls"] == {}


def test_the_kernel_counts_the_same_writes(counts: dict[str, dict[str, Any]]) -> None:
    """Where it tells: the two appends of a run, and not one read."""
    kernel = counts["plain"]["kernel"]
    if kernel is None:
        pytest.skip("this kernel doesn't count what a thread reads and writes")
    assert kernel == [0, SYSTEM_CALLS["write"]]


@pytest.mark.parametrize("what", _LINES)
def test_a_run_leaves_nothing_behind_in_memory(what: str, counts: dict[str, dict[str, Any]]) -> None:
    """So that the millionth costs what the first did."""
    assert counts[what]["retained"] <= RETAINED_BLOCKS


def test_a_run_needs_no_more_memory_at_once(counts: dict[str, dict[str, Any]]) -> None:
    """What it allocates and frees again."""
    assert 0 < counts["plain"]["peak"] <= BOUNDS.peak
