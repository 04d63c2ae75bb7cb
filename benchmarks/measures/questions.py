"""Every question to a history of a million runs: of 10,000 jobs, and of one job beside a single run of another."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.bench import Bench
from benchmarks.tables import Column, Part, Table, at_most
from otel_job_measure.history.history import History
from otel_job_measure.history.ingest import ALONE
from otel_job_measure.journal.interfaces import Chunk
from otel_job_measure.points import DefaultTags, Ending, Outcome, Series, ending_lines, start_line

_FEW: Final = 10_000
_MANY: Final = 1_000_000
_JOBS: Final = 10_000
_MONTH_NS: Final = 30 * 86_400 * 10**9
_MOST_S: Final = 1.0
_FLAT: Final = 3.0
_AT_ONCE: Final = 10_000
_ERRORS: Final = ("ValueError", "OSError")
_OUTCOMES: Final = ((0.95, None), (0.99, "error"), (1.0, "lost"))


def measure(bench: Bench) -> Part:
    """Makes the histories and asks them.

    Args:
        bench: The folders.
    """
    histories: dict[str, tuple[int, Callable[[int], int]]] = {
        f"{_FEW:,} runs of {_FEW // 10:,} jobs": (_FEW, lambda number: number % (_FEW // 10)),
        f"{_MANY:,} runs of {_JOBS:,} jobs": (_MANY, lambda number: number * 7919 % _JOBS),
        f"{_MANY:,} runs of one job, one of another": (_MANY, lambda number: int(number == _MANY // 2)),
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
            at_most(f"the slowest answer over {_MANY:,} runs", slowest_s, _MOST_S, "s"),
            at_most(f"memory of all answers over {_MANY:,} runs, against {_FEW:,}", growth, _FLAT, "times"),
        ),
    )


def _answers(folder: Path, runs: int, job_of: Callable[[int], int]) -> dict[str, Any]:
    history = History(folder / "history.db", retention_s=1e9, pace=ALONE)
    for number, data in enumerate(_lines(runs, job_of)):
        history.fold([Chunk(segment=f"local-{number}.lp", offset=0, data=data, host="host-1")], patience_s=60)
    command = [sys.executable, "-m", "benchmarks.asked", str(folder)]
    answered = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(answered.stdout)
    return found


def _lines(runs: int, job_of: Callable[[int], int]) -> Iterator[bytes]:
    """Yields the lines of runs over the last month, some runs at a time; the last 50 are open."""
    draw = random.Random(1)  # noqa: S311 - the same runs each time
    begin_ns = time.time_ns() - _MONTH_NS
    series: dict[int, Series] = {}
    parts: list[bytes] = []
    for number in range(runs):
        job = job_of(number)
        tags = DefaultTags(datacenter="fra", project=f"project-{job % 20}", stage="production", more=())
        its = series.get(job) or series.setdefault(job, Series(f"job-{job:05}", tags))
        start_ns, uuid = begin_ns + number * _MONTH_NS // runs, f"{draw.getrandbits(48):012x}"
        parts.append(start_line(its, uuid, start_ns))
        if number < runs - 50:
            parts.append(_ending(its, uuid, start_ns, draw, number))
        if len(parts) >= 2 * _AT_ONCE or number == runs - 1:
            yield b"".join(parts)
            parts = []


def _ending(series: Series, uuid: str, start_ns: int, draw: random.Random, number: int) -> bytes:
    chance, took_s = draw.random(), draw.lognormvariate(0, 1)
    reason = next(reason for bound, reason in _OUTCOMES if chance < bound)
    ending = Ending(
        uuid=uuid,
        outcome=Outcome(reason, draw.choice(_ERRORS) if reason == "error" else None),
        end_ns=start_ns + int(took_s * 1e9),
        duration_s=None if reason == "lost" else took_s,
        host=f"host-{number % 50}",
        task_id=f"task-{number // 3}" if number % 10 == 0 else None,
    )
    return ending_lines(series, ending, run_row=True, error_message=False)
