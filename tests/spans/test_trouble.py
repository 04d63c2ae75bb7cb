"""Whatever fails inside our code, the job's result is its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.uncovered import uncovered

SCRIPT = Path(__file__).with_name("trouble.py")


def said(*words: str) -> list[str]:
    """Runs the script, and returns what it says."""
    command = [sys.executable, str(SCRIPT), *words]
    done = subprocess.run(command, env=uncovered(), capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("words", [["lines", "--traced"], ["depth", "--traced"], ["depth"]], ids=" ".join)
def test_a_job_never_notices(words: list[str]) -> None:
    """No memory at any of our lines, or no room on the stack at any depth: each door gives what the job gave."""
    found = said(*words)
    assert [line for line in found if line.startswith("BROKEN")] == []
    counts = {line.partition(": ")[0]: int(line.split()[-2]) for line in found}
    assert len(counts) == 10
    assert min(counts.values()) > 50
