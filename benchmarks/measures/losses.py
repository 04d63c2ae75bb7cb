"""What is lost when the process is killed right after the job: by killing it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from benchmarks.bench import Bench
from benchmarks.commands import ship_variables
from benchmarks.contenders.arrivals import ARRIVALS
from benchmarks.contenders.contender import Where
from benchmarks.contenders.node import NODE, has_node
from benchmarks.interleaved import ROOT, Child, Turns, environment
from benchmarks.stub import Request, Stub, stub
from benchmarks.tables import Column, Part, Table

_RUNS: Final = 10
_PROCESSES: Final = 2
_ENDED: Final = Turns(rounds=1, most=_RUNS, for_s=60)
_FROM_DISK: Final = ("ours", "ours, CONFIRM_START=server")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """How many of the runs have arrived.

    Args:
        ended: Where the process ended by itself.
        killed: Where it was killed right after the last run.
        later: What has arrived of those when the next process has had its turn.
    """

    ended: int
    killed: int
    later: int


def measure(bench: Bench) -> Part:
    """Ends and kills processes of each contender, and counts what has arrived.

    Args:
        bench: The folders.
    """
    names = [name for name in ARRIVALS if name != NODE or has_node()]
    at_once = len(os.sched_getaffinity(0))  # nothing is timed here, and most of it is the start of processes
    with ThreadPoolExecutor(at_once) as pool:
        parts = [pool.submit(_lost_of, names[number::at_once], bench) for number in range(at_once)]
        found = {name: each for part in parts for name, each in part.result().items()}
    runs = _RUNS * _PROCESSES
    table = Table(
        name="losses",
        title=f"What has arrived of {runs} runs ({_PROCESSES} processes with {_RUNS} each)",
        columns=(
            Column(title="", unit="text"),
            Column(title="the process ended", unit="count"),
            Column(title="it was killed right after the last run", unit="count"),
            Column(title="and when the next process has had its turn", unit="count"),
        ),
        rows=tuple((name, found[name].ended, found[name].killed, found[name].later) for name in names),
        note="The next process is another of the same kind; for ours it is `otel-job-measure ship --once`.",
    )
    return Part(tables=(table,))


def _lost_of(names: Sequence[str], bench: Bench) -> dict[str, _Found]:
    """Looks at some of the contenders, one after the other, with a stub of their own."""
    with stub(records=True) as server:
        return {name: _lost(name, bench, server) for name in names}


def _lost(name: str, bench: Bench, server: Stub) -> _Found:
    ended = killed = later = 0
    for _ in range(_PROCESSES):
        where = bench.to(server)
        child = _ready(name, where)
        child.turn(_ENDED)
        child.end()
        ended += ARRIVALS[name](server.seen(), where)
        where = bench.to(server)
        _ready(name, where).kill_after(_RUNS)
        seen = server.seen()
        killed += ARRIVALS[name](seen, where)
        later += ARRIVALS[name]([*seen, *_next(name, where, server)], where)
    return _Found(ended=ended, killed=killed, later=later)


def _next(name: str, where: Where, server: Stub) -> list[Request]:
    """Lets the next process have its turn: one that runs no job of its own."""
    if name in _FROM_DISK:
        command = [sys.executable, "-m", "otel_job_measure", "ship", "--once", "--env-file", "/dev/null"]
        variables = environment(where.folder) | ship_variables(where)
        subprocess.run(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, check=True)
    else:
        _ready(name, where).end()
    return server.seen()


def _ready(name: str, where: Where) -> Child:
    child = Child(name, where)
    child.ready()
    return child
