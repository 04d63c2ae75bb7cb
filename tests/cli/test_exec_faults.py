"""A fault at every step of `exec`: the command runs once, and its exit code comes through."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from tests.support.uncovered import uncovered

FAULTS: Final = [sys.executable, "-m", "tests.support.faults"]
ROOT: Final = Path(__file__).parents[2]
# The errors that code of any kind can raise; those that are no `Exception` pass most of our guards.
ERRORS: Final = (
    "ImportError",
    "SystemExit",
    "MemoryError",
    "KeyboardInterrupt",
    "SyntaxError",
    "RecursionError",
    "OSError",
)
# The last resort, which runs the command if anything else fails; and a callback whose errors Python itself shows.
LAST: Final = {f"__main__.py:{name}" for name in ("Given", "__init__", "command_of", "replace_us", "start")} | {
    "forks.py:_forget"
}
PARTS: Final = 6


@cache
def steps() -> tuple[list[str], list[str]]:
    """Returns the functions and the modules of a run of `exec`, in their order."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        environment = uncovered() | {"OTEL_JOB_MEASURE_STATE_DIR": f"{folder}/state"}
        command = [*FAULTS, "list", str(report), "KeyError", "--", "exec", "job", "--", "sh", "-c", "exit 3"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        functions, modules, code = json.loads(report.read_text())
    assert code == 3
    assert len(functions) > 100
    assert len(modules) > 50
    return [name for name in functions if re.sub(r":\d+:", ":", name) not in LAST], modules


def wrong(kind: str, where: str, error: str, folder: Path) -> str | None:
    """Runs `exec` with one fault; returns what was wrong about the command."""
    folder.mkdir()
    environment = uncovered() | {"OTEL_JOB_MEASURE_STATE_DIR": str(folder / "state")}
    command = ["sh", "-c", f"echo ran >>{folder}/ran; exit 3"]
    done = subprocess.run(
        [*FAULTS, kind, where, error, "--", "exec", "job", "--", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
    )
    times = (folder / "ran").read_text() if (folder / "ran").exists() else ""
    said = done.stderr.decode()
    if "Exception ignored in: <function" in said:  # Python itself shows the errors of fork hooks
        said = "".join(line for line in said.splitlines(keepends=True) if line.startswith("otel-job-measure: "))
    if (done.returncode, times) == (3, "ran\n") and said.count("\n") <= 1 and not done.stdout:
        return None
    return f"{kind} {where} {error}: {done.returncode}, {times!r}, {said}"


@pytest.mark.timeout(600)  # some hundred processes
@pytest.mark.parametrize("kind", ["call", "import"])
@pytest.mark.parametrize("part", range(PARTS))
def test_a_fault_at_any_step_leaves_the_command_alone(kind: str, part: int, tmp_path: Path) -> None:
    """Whichever module cannot be imported, whichever function raises, before, while and after the command runs."""
    places = [*enumerate(zip(steps()[kind == "import"], cycle(ERRORS), strict=False))][part::PARTS]

    def tried(place: tuple[int, tuple[str, str]]) -> str | None:
        number, (where, error) = place
        return wrong(kind, where, error, tmp_path / str(number))

    with ThreadPoolExecutor(2) as pool:
        assert [found for found in pool.map(tried, places) if found is not None] == []
