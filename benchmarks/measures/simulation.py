"""How often a checker is wrong: a year of 300 simulated jobs, judged at every moment at which anything can change."""

import multiprocessing
import random
from datetime import UTC, datetime
from math import exp
from typing import Final

from benchmarks.bench import Bench
from benchmarks.simulation import kinds, watch, world
from benchmarks.simulation.jobs import Job
from benchmarks.tables import Column, Part, Table, at_least, at_most
from otel_job_measure import names
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.slower import slower

SEED: Final = 20
DAYS: Final = 365
JOBS: Final = 300
START_S: Final = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
_PROCESSES: Final = 2
_SERIES: Final = 1000
_RUNS: Final = 100

_WORLD: Final = world.made(SEED, START_S, DAYS)


def measure(bench: Bench) -> Part:
    """Judges a year of jobs, and a thousand steady series of durations."""
    del bench  # no server is needed
    jobs = kinds.made(SEED, _WORLD, JOBS)
    with multiprocessing.get_context("spawn").Pool(_PROCESSES) as pool:
        scores = [*pool.imap_unordered(_of_job, jobs, chunksize=3), pool.apply(_of_hosts, (jobs,))]
    false, missed = (
        [line for score in scores for line in score.false],
        [line for score in scores for line in score.missed],
    )
    for line in (*false[:20], *missed[:20]):
        print(line)
    kinds_found = sorted({kind for score in scores for kind in score.true})
    rows = tuple(
        (kind, sum(score.true[kind] for score in scores), _wrong(false, kind), _wrong(missed, kind))
        for kind in kinds_found
    )
    away = len(_WORLD.outages), sum(len(dead) for dead in _WORLD.dead.values()), len(_WORLD.unwatched)
    note = (
        f"{DAYS} days, {JOBS} jobs, {sum(score.due for score in scores):,} due times, {away[0]} outages of the server, "
        f"{away[1]} dead hosts, a checker away {away[2]} times, one clock five minutes ahead; "
        f"{sum(score.passes for score in scores):,} judgements, seed {SEED}."
    )
    columns = ("finding", "text"), ("to be found", "count"), ("false", "count"), ("missed", "count")
    table = Table(
        name="simulation",
        title="A year of simulated jobs: what a checker got wrong",
        columns=tuple(Column(title=title, unit=unit) for title, unit in columns),
        rows=rows,
        note=note,
    )
    found, wrong, verdict_rows = _slower()
    return Part(
        tables=(table, verdict_rows),
        verdicts=(
            at_most("false alarms in a simulated year", len(false), 0, "count"),
            at_most("missed alarms in a simulated year", len(missed), 0, "count"),
            at_least("runs 1.5 times as long, found within 5 runs (spread 10 %)", found, 98, "percent"),
            at_most("steady series ever called slower in 100 looks", wrong, 1, "percent"),
        ),
    )


def _wrong(lines: list[str], kind: str) -> int:
    return sum(f"{kind} " in line for line in lines)


def _of_job(job: Job) -> watch.Score:
    score = watch.Score()
    watch.watched(job, _WORLD, score)
    return score


def _of_hosts(jobs: list[Job]) -> watch.Score:
    score = watch.Score()
    watch.hosts_watched(jobs, _WORLD, score)
    return score


def _slower() -> tuple[float, float, Table]:
    """Returns how many changes are found and how many steady series are called slower, in percent."""
    rows: list[tuple[str, float, float]] = []
    for spread in (0.05, 0.1, 0.2, 0.5):
        wrong = found = 0
        for seed in range(_SERIES):
            chance = random.Random(seed)  # noqa: S311 - a simulation
            steady = [_run(number, chance.gauss(0, spread)) for number in range(125)]
            wrong += any(slower(steady[:length]) is not None for length in range(25, 25 + _RUNS))
            after = [_run(200 + number, chance.gauss(0, spread), 1.5) for number in range(5)]
            found += any(slower(steady + after[:length]) is not None for length in range(1, 6))
        rows.append((f"{spread:.0%}", 100 * found / _SERIES, 100 * wrong / _SERIES))
    columns = (
        ("spread of the durations", "text"),
        ("found within 5 runs", "percent"),
        ("called slower falsely", "percent"),
    )
    table = Table(
        name="slower",
        title="Runs that take 1.5 times as long, and steady series",
        columns=tuple(Column(title=title, unit=unit) for title, unit in columns),
        rows=tuple(rows),
        note=f"{_SERIES} series each, with seeds; a steady one is looked at after each of {_RUNS} runs.",
    )
    return rows[1][1], max(row[2] for row in rows), table


def _run(number: int, log: float, factor: float = 1.0) -> RunRecord:
    took_s = 10 * factor * exp(log)
    return RunRecord(
        uuid=f"{number}",
        job="steady",
        tags={},
        started_ns=number * 10**12,
        ended_ns=number * 10**12 + int(took_s * 1e9),
        status=names.STATUS_END,
        duration_s=took_s,
    )
