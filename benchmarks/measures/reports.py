"""The report of a million runs of 300 jobs: how long the command takes, and how large the file is."""

import os
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.commands import command
from benchmarks.histories import MANY, make
from benchmarks.tables import Column, Part, Table, at_most
from otel_job_measure.journal.state_dir import StateDir

_JOBS: Final = 300
_TIMES: Final = 5
_MOST_S: Final = 1.0
_MOST_BYTES: Final = 200_000


def measure(bench: Bench) -> Part:
    """Makes a history and has reports written.

    Args:
        bench: The folders.
    """
    state = StateDir(bench.new_folder() / "state")
    state.make()
    make(state.history, MANY, lambda number: number * 7919 % _JOBS)
    files = {"of 30 days": state.root / "month.html", "of 7 days": state.root / "week.html"}
    rows = [(period, *_written(state.root, period.split()[1] + "d", file, bench)) for period, file in files.items()]
    slowest_s, largest = max(row[1] for row in rows), max(row[4] for row in rows)
    table = Table(
        name="report",
        title=f"The command `report --html` over {MANY:,} runs of {_JOBS} jobs; the least of {_TIMES} times",
        columns=(
            Column(title="", unit="text"),
            Column(title="time", unit="s"),
            Column(title="CPU", unit="s"),
            Column(title="most memory", unit="bytes"),
            Column(title="the file", unit="bytes"),
        ),
        rows=tuple(rows),
    )
    return Part(
        tables=(table,),
        verdicts=(
            at_most(f"a report of {MANY:,} runs", slowest_s, _MOST_S, "s"),
            at_most(f"the report of {_JOBS} jobs, one file", largest, _MOST_BYTES, "bytes"),
        ),
    )


def _written(state: Path, since: str, file: Path, bench: Bench) -> tuple[float, float, int, int]:
    """Returns the seconds, the seconds of computing, the most memory and the size, each the least of some times."""
    words = ("report", "--since", since, "--html", str(file), "--state-dir", str(state), "--env-file", os.devnull)
    took_s: list[float] = []
    cpu_s: list[float] = []
    peaks: list[int] = []
    for _ in range(_TIMES):
        before_s = _computed_s()
        done = command(*words, home=bench.new_folder(), variables={})
        took_s.append(done.took_s)
        cpu_s.append(_computed_s() - before_s)
        peaks.append(done.peak_bytes)
    return min(took_s), min(cpu_s), min(peaks), file.stat().st_size


def _computed_s() -> float:
    times = os.times()
    return times.children_user + times.children_system
