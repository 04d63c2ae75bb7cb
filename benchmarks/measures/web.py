"""The page over a million runs: how soon it comes, how large it is, and what two hundred open pages do to that."""

import re
import statistics
import time
from collections.abc import Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.histories import JOBS, MANY, make, of_many_jobs, of_two_jobs
from benchmarks.tables import Column, Part, Table, at_most
from benchmarks.visitor import Got, Visitor, visiting
from otel_job_measure.journal.state_dir import StateDir

_MOST_S: Final = 0.5
_TIMES: Final = 3
_BROWSERS: Final = 200
_BESIDE: Final = 100
_MOST_BESIDE: Final = 1000
_APART_S: Final = 0.3
_FIRST: Final = "all jobs, before the first look at the store has ended"
_MANY_RUNS: Final = "/job?job=job-00000&project=project-0&stage=production"
_ONE_RUN: Final = "/job?job=job-00001&project=project-1&stage=production&span=30d"
_run_link = re.compile(r'href="(run\?[^"]*)"').search


def measure(bench: Bench) -> Part:
    """Makes two histories and visits their pages.

    Args:
        bench: The folders.
    """
    many = _state(bench.new_folder(), many=True)
    with visiting(many) as visitor:
        rows = {_FIRST: [visitor.get("/")]}
        rows |= {title: _got(visitor, path) for title, path in _of_many_jobs().items()}
        rows[f"a run, of {MANY:,} runs"] = _got(visitor, _run_of(visitor, _MANY_RUNS))
        with visitor.listening(_BROWSERS):
            beside = _beside(visitor, rows[_FIRST][0].cpu_s)
        memory = {f"{JOBS:,} jobs": visitor.memory_bytes("VmHWM")}
    with visiting(_state(bench.new_folder(), many=False)) as visitor:
        visitor.get("/")
        rows |= {title: _got(visitor, path) for title, path in _of_two_jobs().items()}
        rows[f"a run of the job with {MANY - 1:,} runs"] = _got(visitor, _run_of(visitor, _MANY_RUNS))
        memory["two jobs"] = visitor.memory_bytes("VmHWM")
    slowest_s = max(min(each.first_s for each in got) for got in rows.values())
    return Part(
        tables=(_table(rows, memory), _beside_table(beside)),
        verdicts=(
            at_most(f"the page over {MANY:,} runs, first byte", slowest_s, _MOST_S, "s"),
            at_most(f"beside {_BROWSERS} open pages, first byte, the slowest", max(beside), _MOST_S, "s"),
        ),
    )


def _of_many_jobs() -> Mapping[str, str]:
    return {
        f"all jobs, the worst of {JOBS:,}": "/?",
        "all jobs, sorted by p95, the last page": f"/?sort=p95&page={JOBS}",
        "all jobs whose name has some digits": "/?q=77",
        f"a job with {MANY // JOBS} runs, 30 days": f"{_MANY_RUNS}&span=30d",
    }


def _of_two_jobs() -> Mapping[str, str]:
    return {
        f"a job with {MANY - 1:,} runs, 1 day": f"{_MANY_RUNS}&span=1d",
        "of that job, 7 days": _MANY_RUNS,
        "of that job, 30 days": f"{_MANY_RUNS}&span=30d",
        "a job with one run": _ONE_RUN,
    }


def _state(folder: Path, *, many: bool) -> Path:
    state = StateDir(folder / "state")
    state.make()
    make(state.history, MANY, of_many_jobs if many else of_two_jobs)
    return folder / "state"


def _got(visitor: Visitor, path: str) -> list[Got]:
    """Asks for a page some times; a further parameter keeps the server from sending the one that it has."""
    return [visitor.get(f"{path}&n={number}") for number in range(_TIMES)]


def _run_of(visitor: Visitor, path: str) -> str:
    found = _run_link(visitor.get(path).html)
    if found is None:
        raise RuntimeError("the page has no run")
    return f"/{unescape(found[1])}"


def _beside(visitor: Visitor, look_s: float) -> list[float]:
    """Returns the seconds to the first byte of many pages, until the server has looked at the store once more.

    Args:
        visitor: The browser that asks.
        look_s: What a look computes.
    """
    first_s: list[float] = []
    until_s = visitor.cpu_s() + 1.5 * look_s
    while len(first_s) < _BESIDE or (visitor.cpu_s() < until_s and len(first_s) < _MOST_BESIDE):
        number = len(first_s)
        first_s.append(visitor.get(f"{_MANY_RUNS}&n={number}" if number % 2 else f"/?page={number}").first_s)
        time.sleep(_APART_S)
    return first_s


def _table(rows: Mapping[str, Sequence[Got]], memory: Mapping[str, int]) -> Table:
    most = ", ".join(f"{each / 2**20:.0f} MiB over {name}" for name, each in memory.items())
    return Table(
        name="web",
        title=f"The page over {MANY:,} runs of {JOBS:,} jobs, and of two jobs; the least of {_TIMES} times",
        columns=(
            Column(title="", unit="text"),
            Column(title="first byte", unit="s"),
            Column(title="whole page", unit="s"),
            Column(title="the server's CPU", unit="s"),
            Column(title="size", unit="bytes"),
        ),
        rows=tuple(
            (
                title,
                min(each.first_s for each in got),
                min(each.whole_s for each in got),
                min(each.cpu_s for each in got),
                len(got[0].html.encode()),
            )
            for title, got in rows.items()
        ),
        note=f"The most memory of the server was {most}.",
    )


def _beside_table(first_s: Sequence[float]) -> Table:
    ordered = sorted(first_s)
    return Table(
        name="web-beside",
        title=f"The first byte of a page beside {_BROWSERS} open pages that follow the store",
        columns=(
            Column(title="pages", unit="count"),
            Column(title="p50", unit="s"),
            Column(title="p95", unit="s"),
            Column(title="the slowest", unit="s"),
        ),
        rows=((len(ordered), statistics.median(ordered), ordered[-(len(ordered) // 20)], ordered[-1]),),
        note="The server looked at the store again meanwhile.",
    )
