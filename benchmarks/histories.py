"""Histories of the last month, made faster than by running jobs."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from otel_job_measure.history.history import History
from otel_job_measure.history.ingest import ALONE
from otel_job_measure.journal.interfaces import Chunk
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags

MANY: Final = 1_000_000
JOBS: Final = 10_000
_MONTH_NS: Final = 30 * 86_400 * 10**9
_AT_ONCE: Final = 10_000
_ERRORS: Final = ("ValueError", "OSError")
_OUTCOMES: Final = ((0.95, None), (0.99, "error"), (1.0, "lost"))


def of_many_jobs(number: int) -> int:
    """Returns the job of a run, of 10,000 that run equally often."""
    return number * 7919 % JOBS


def of_two_jobs(number: int) -> int:
    """Returns the job of a run: one job has all runs but one."""
    return int(number == MANY // 2)


def make(file: Path, runs: int, job_of: Callable[[int], int]) -> None:
    """Makes a history.

    Args:
        file: The history's file.
        runs: How many runs it has, over the last month; the last 50 are open.
        job_of: Returns the number of the job of a run.
    """
    history = History(file, retention_s=1e9, pace=ALONE)
    for number, data in enumerate(_lines(runs, job_of)):
        history.fold([Chunk(segment=f"local-{number}.lp", offset=0, data=data, host="host-1")], patience_s=60)


def _lines(runs: int, job_of: Callable[[int], int]) -> Iterator[bytes]:
    """Yields the lines of runs, some runs at a time."""
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
