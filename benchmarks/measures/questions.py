"""Every question to a history of a million runs: of 10,000 jobs, and of one job beside a single run of another."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.bench import Bench
from benchmarks.histories import JOBS, MANY, make, of_many_jobs, of_two_jobs
from benchmarks.tables import Column, Part, Table, at_most

_FEW: Final = 200_000
"""As many jobs have these runs, so that answers about each job, with its last 20 runs, are as long."""
_MOST_S: Final = 1.0
_FLAT: Final = 3.0


def measure(bench: Bench) -> Part:
    """Makes the histories and asks them.

    Args:
        bench: The folders.
    """
    histories: dict[str, tuple[int, Callable[[int], int]]] = {
        f"{_FEW:,} runs of {JOBS:,} jobs": (_FEW, of_many_jobs),
        f"{MANY:,} runs of {JOBS:,} jobs": (MANY, of_many_jobs),
        f"{MANY:,} runs of one job, one of another": (MANY, of_two_jobs),
    }
    answers = {title: _answers(bench.new_folder(), runs, job_of) for title, (runs, job_of) in histories.items()}
    few, *large = answers.values()
    table = Table(
        name="questions",
        title="Questions to the history, asked in Python; the least of three times",
        columns=(Column(title="", unit="text"), *(Column(title=title, unit="ms") for title in answers)),
        rows=tuple((name, *(1e9 * each["took_s"][name] for each in answers.values())) for name in few["took_s"]),
        note="The most memory of the whole process was "
        + ", ".join(f"{each['peak_bytes'] / 2**20:.0f} MiB" for each in answers.values())
        + ". A question about many runs takes a short transaction for each 100,000 of them.",
    )
    slowest_s = max(took_s for each in large for took_s in each["took_s"].values())
    growth = max(each["peak_bytes"] for each in large) / few["peak_bytes"]
    return Part(
        tables=(table,),
        verdicts=(
            at_most(f"the slowest answer over {MANY:,} runs", slowest_s, _MOST_S, "s"),
            at_most(
                f"memory of all answers over {MANY:,} runs, against {_FEW:,} of as many jobs", growth, _FLAT, "times"
            ),
        ),
    )


def _answers(folder: Path, runs: int, job_of: Callable[[int], int]) -> dict[str, Any]:
    make(folder / "history.db", runs, job_of)
    command = [sys.executable, "-m", "benchmarks.asked", str(folder)]
    answered = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(answered.stdout)
    return found
