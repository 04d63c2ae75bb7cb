"""A simulated year from a seed: made once in each process, judged job by job."""

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from benchmarks.simulation import kinds, together, watch, world
from benchmarks.simulation.jobs import Job
from benchmarks.simulation.score import Score, total

START_S: Final = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
_PROCESSES: Final = 2


@dataclass(frozen=True, slots=True)
class Year:
    """A simulated time.

    Args:
        seed: All of it comes from this.
        days: How long it is.
        count: How many jobs there are.
    """

    seed: int
    days: int = 365
    count: int = 300


@lru_cache(maxsize=1)
def world_of(year: Year) -> world.World:
    """Returns the hosts and the server of a year."""
    return world.made(year.seed, START_S, year.days)


def judged(year: Year, wants: Callable[[Job], bool] | None = None) -> Score:
    """Judges the jobs of a year, and all of them together, and prints each mistake at once.

    Args:
        year: The year.
        wants: Which jobs are judged, each by itself; None means all of them, and all together.
    """
    jobs = kinds.made(year.seed, world_of(year), year.count)
    chosen = [job for job in jobs if wants is None or wants(job)]
    with multiprocessing.get_context("spawn").Pool(_PROCESSES) as pool:
        whole = pool.apply_async(_together, (year, jobs)) if wants is None else None
        # The jobs with most due times first: the last ones end at about the same time.
        chosen.sort(key=lambda job: -len(job.dues))
        scores = [_printed(score) for score in pool.imap_unordered(_of_job, [(year, job) for job in chosen])]
        return total(scores if whole is None else [*scores, _printed(whole.get())])


def _printed(score: Score) -> Score:
    for line in (*(f"false: {line}" for line in score.false), *(f"missed: {line}" for line in score.missed)):
        print(line, flush=True)
    return score


def _of_job(asked: tuple[Year, Job]) -> Score:
    score = Score()
    watch.watched(asked[1], world_of(asked[0]), score)
    return score


def _together(year: Year, jobs: list[Job]) -> Score:
    score = Score()
    together.hosts_watched(jobs, world_of(year), score)
    return score
