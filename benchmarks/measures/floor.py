"""What the parts of a run cost on their own: below this nothing can go."""

import os
import statistics
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.child import timed
from benchmarks.contenders.libraries import library
from benchmarks.interleaved import ROOT, environment
from benchmarks.parts import OF_A_RUN, OF_A_TRACED_RUN
from benchmarks.samples import percentile
from benchmarks.tables import Column, Part, Table

_HANDOVERS: Final = 20_000
_OTHERS: Final = 15
_HOW: Final = ("--processes", "3", "--values", "5", "--warmups", "1", "--min-time", "0.02", "--quiet")


def measure(bench: Bench) -> Part:
    """Has pyperf time each part in a loop of its own.

    Args:
        bench: The folders.
    """
    folder = bench.new_folder()
    rows = [(name, statistics.median(took), min(took)) for name, took in _took_ns(folder).items()]
    for what, names in (
        ("together: a run without a span", OF_A_RUN),
        ("together: a run in an app that exports its spans", OF_A_TRACED_RUN),
    ):
        parts = [row for row in rows if row[0] in names]
        rows.append((what, sum(row[1] for row in parts), sum(row[2] for row in parts)))
    table = Table(
        name="floor",
        title="What the parts of a run cost on their own",
        columns=(
            Column(title="", unit="text"),
            Column(title="median", unit="us"),
            Column(title="least", unit="us"),
        ),
        rows=tuple(rows),
        note="Timed by pyperf.",
    )
    return Part(tables=(table, _handover(folder / "file")))


def _took_ns(folder: Path) -> dict[str, list[float]]:
    file = folder / "parts.json"
    variables = environment(folder)
    subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.parts", *_HOW),
            *("--inherit-environ", ",".join(variables), "-o", str(file)),
        ],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    suite = library("pyperf").BenchmarkSuite.load(str(file))
    return {each.get_name(): [value * 1e9 for value in each.get_values()] for each in suite.get_benchmarks()}


def _handover(file: Path) -> Table:
    """Times a write beside threads that compute: each system call lets one of them have the interpreter."""
    fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    over = threading.Event()

    def computes() -> None:
        while not over.is_set():
            sum(range(1000))

    alone = timed(lambda: os.write(fd, b"\n"), most=_HANDOVERS, for_s=2)
    threads = [threading.Thread(target=computes) for _ in range(_OTHERS)]
    for thread in threads:
        thread.start()
    beside = timed(lambda: os.write(fd, b"\n"), most=_HANDOVERS, for_s=5)
    over.set()
    for thread in threads:
        thread.join()
    os.close(fd)
    return Table(
        name="handover",
        title="One write(2), alone and beside threads of the same interpreter that compute",
        columns=(
            Column(title="", unit="text"),
            Column(title="p50", unit="us"),
            Column(title="p99", unit="us"),
            Column(title="mean", unit="us"),
            Column(title="writes timed", unit="count"),
        ),
        rows=tuple(
            (name, percentile(took, 50), percentile(took, 99), statistics.mean(took), len(took))
            for name, took in (("alone", alone), (f"beside {_OTHERS}", beside))
        ),
    )
